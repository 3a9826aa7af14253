"""Markdown: headings, tables, and figures as text."""

from .results import Ratio, Row


def heading(text: str, level: int = 3) -> list[str]:
    return ["", f"{'#' * level} {text}", ""]


def note(*paragraphs: str) -> list[str]:
    return [line for paragraph in paragraphs for line in (paragraph, "")]


def table(header: list[str], rows: list[list[str]]) -> list[str]:
    """The first column is text; the others are figures."""
    if not rows:
        return []
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return [*(f"| {' | '.join(cells)} |" for cells in lines), ""]


def threads_text(count: int) -> str:
    return f"{count} thread{'s' * (count > 1)}"


def duration(seconds: float) -> str:
    """Three digits and a unit."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{number(seconds / scale)} {unit}"
    return f"{number(seconds / 1e-6)} us"


def number(value: float) -> str:
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f}"


def times(ratio: Ratio) -> str:
    return f"{ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"


def spread(row: Row) -> str:
    return f"{duration(min(row.series()))} to {duration(max(row.series()))}"


def rate(row: Row | None, operations: float) -> str:
    """Operations a second in units of 1e9."""
    return f"{operations / row.median() / 1e9:.3g}" if row else ""


def call_time(row: Row | None) -> str:
    """The median and, where single calls were timed, their 99th percentile."""
    if row is None:
        return ""
    tail = f" / {duration(row.median('p99'))}" if "p99" in row.values[0] else ""
    return duration(row.median()) + tail
