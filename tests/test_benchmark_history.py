"""The history of the benchmark: rows are read from reports, kept by commit and kind, compared with the run before, drawn."""

import json
import re
from pathlib import Path

import pytest

from benchmarks import history, machine, report, sections
from benchmarks.history import Figure, Run
from benchmarks.results import Record, Results, Row
from benchmarks.workloads import MOMENTUM

ROOT = Path(__file__).resolve().parent.parent
ZEN_3 = "AMD Zen 3 (AVX2)"


def results(*ratios: float, quick: bool = False, **about: str) -> Results:
    """NumPy takes so many times as long as fastnet, in rounds of 0.1 s."""
    fastnet = Row("fastnet", 1, MOMENTUM.key, [{"seconds": 0.1}] * len(ratios))
    numpy = Row("numpy", 1, MOMENTUM.key, [{"seconds": 0.1 * ratio} for ratio in ratios])
    described = {"date": "2026-12-01", "commit": "abcdef0123", "processor": "AMD EPYC", **about}
    versions = {"fastnet": "fastnet 0.1.0 (avx2 kernels, gcc 12.2)", "numpy": "NumPy 2.4.6 (openblas 0.3)"}
    return Results(described, [1], versions, [], quick, {"momentum": Record("momentum", [fastnet, numpy])}, kind=ZEN_3)


def run(commit: str, date: str = "2026-12-01", **rows: Figure) -> Run:
    return Run(date, commit, ["fastnet 0.1.0", "NumPy 2.4.6"], dict(rows))


# ---- Rows -----------------------------------------------------------------------------------------------------------


def test_a_run_is_read_from_its_report() -> None:
    measured = results(1.5, 2.0, 2.5)
    found = history.run_of(sections.Section(ZEN_3, report.body(measured, ())))
    assert found == Run(
        "2026-12-01", "abcdef0123", [*measured.versions.values()], {MOMENTUM.name: Figure(0.1, 2.0, 1.75, 2.25)}
    )
    assert Run.parse(found.line()) == found


def test_the_committed_history_has_the_runs_of_the_committed_report() -> None:
    page = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    kept = dict(history.read(file) for file in history.HISTORY.glob("*.jsonl"))
    for section in sections.split(page):
        shown = history.run_of(section)
        latest = {name: figure for each in kept[section.kind] for name, figure in each.rows.items()}
        assert len(shown.rows) > 50
        assert shown.rows.keys() <= latest.keys()


def test_a_shape_of_the_matrix_product_is_a_row() -> None:
    section = sections.split((ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8"))[0]
    cell = re.search(r"^\| 64 x 64 x 64 TN \| \w+ \| ([\d.]+) \(([\d.]+) to ([\d.]+)\)", section.body, re.MULTILINE)
    assert cell
    figure = history.run_of(section).rows["matrix product 64 x 64 x 64 TN"]
    assert figure == Figure(None, *map(float, cell.groups()))


def test_the_commit_that_is_measured_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert re.fullmatch(r"[0-9a-f]{10}( with changes)?", machine.commit().get("commit", "0" * 10))
    monkeypatch.setattr(machine, "ROOT", tmp_path)  # not a repository
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert machine.commit() == {}


# ---- Changes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "now", "factor"),
    [
        (Figure(1.0, 2.0, 1.9, 2.1), Figure(1.0, 1.5, 1.4, 1.6), 0.75),
        (Figure(1.0, 2.0, 1.9, 2.1), Figure(9.0, 2.2, 2.15, 2.3), None),  # of a ratio, less than 1.15 is even
        (Figure(1.0, 2.0, 1.0, 2.1), Figure(1.0, 3.0, 2.1, 4.0), None),  # the middle halves overlap
        (Figure(None, 1.0), Figure(None, 1.2), 1.2),  # a mean of ratios has no middle half
        (Figure(0.010), Figure(0.012), None),  # a time drifts by as much
        (Figure(0.020), Figure(0.010), 2.0),
        (Figure(0.020), Figure(None, 2.0), None),  # nothing in common
    ],
)
def test_a_change_is_told_from_noise(before: Figure, now: Figure, factor: float | None) -> None:
    assert now.changed(before) == (None if factor is None else pytest.approx(factor))


def test_changes_are_those_of_the_last_run_against_the_last_that_had_the_row() -> None:
    first = run("a", momentum=Figure(1.0, 2.0, 1.9, 2.1), text=Figure(1.0, 5.0, 4.9, 5.1))
    second = run("b", momentum=Figure(1.0, 1.0, 0.9, 1.1))
    third = run("c", momentum=Figure(1.0, 1.02, 0.9, 1.1), text=Figure(1.0, 2.5, 2.4, 2.6), new=Figure(1.0))
    assert history.changes([first, second, third]) == ["worse by 2.00: 5.00 to 2.50: text"]
    assert history.changes([first, second]) == ["worse by 2.00: 2.00 to 1.00: momentum"]
    assert history.changes([first]) == history.changes([]) == []


def test_the_summary_names_libraries_that_are_not_those_of_the_run_before() -> None:
    first, second = run("a", momentum=Figure(1.0, 2.0)), run("b", momentum=Figure(1.0, 2.0))
    assert history.summary(ZEN_3, [first, second])[1:] == ["  no row changed by more than noise"]
    second.versions[1] = "NumPy 2.5.0"
    assert "  versions differ: NumPy 2.4.6, NumPy 2.5.0" in history.summary(ZEN_3, [first, second])


# ---- Files ----------------------------------------------------------------------------------------------------------


def test_runs_are_kept_in_order_and_those_of_one_commit_are_joined(tmp_path: Path) -> None:
    history.record(ZEN_3, run("b", "2026-12-02", momentum=Figure(1.0)), tmp_path)
    history.record(ZEN_3, run("a", "2026-12-01", momentum=Figure(2.0)), tmp_path)
    file = history.record(ZEN_3, run("b", "2026-12-03", text=Figure(3.0)), tmp_path)
    assert file.name == "amd-zen-3-avx2.jsonl"
    joined = run("b", "2026-12-03", momentum=Figure(1.0), text=Figure(3.0))
    assert history.read(file) == (ZEN_3, [run("a", momentum=Figure(2.0)), joined])
    assert len(file.read_text(encoding="utf-8").splitlines()) == 3


@pytest.mark.parametrize(
    ("measured", "reason"),
    [
        (results(2.0, quick=True), "a quick run is a rough look"),
        (results(2.0), None),
    ],
)
def test_only_runs_with_all_peers_are_recorded(measured: Results, reason: str | None) -> None:
    assert history.refusal(measured, [run("a")]) == reason
    assert history.refusal(results(2.0), [Run("2026-12-01", "a", ["JAX 0.10.2 (cpu)", "NumPy 2"])]) == (
        "the run before had JAX, too"
    )


def test_results_from_before_commits_were_noted_are_not_recorded() -> None:
    measured = results(2.0)
    del measured.machine["commit"]
    assert history.refusal(measured, []) == "it does not say which commit it measured"


def test_the_command_records_draws_and_says_what_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(history, "ROOT", tmp_path)
    monkeypatch.setattr(history, "HISTORY", tmp_path / "history")
    monkeypatch.setattr(history.record, "__defaults__", (tmp_path / "history",))
    monkeypatch.chdir(tmp_path)
    for commit, ratio in (("aaaaaaaaaa", 2.0), ("bbbbbbbbbb", 4.0)):
        results(ratio, ratio, ratio, commit=commit).save(tmp_path / "results.json")
        monkeypatch.setattr("sys.argv", ["history", str(tmp_path / "results.json"), "--out", str(tmp_path)])
        history.main()
    out = capsys.readouterr().out.splitlines()
    assert out[-3:] == [
        f"{ZEN_3}: run 2, of 2026-12-01 (bbbbbbbbbb), 1 rows",
        f"  better by 2.00: 2.00 to 4.00: {MOMENTUM.name}",
        "  drawn in history-amd-zen-3-avx2.svg",
    ]
    picture = (tmp_path / "history-amd-zen-3-avx2.svg").read_text(encoding="utf-8")
    assert "784-64-10 sigmoid" in picture
    assert "bbbbbbb" in picture
    lines = (tmp_path / "history" / "amd-zen-3-avx2.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line).get("commit") for line in lines] == [None, "aaaaaaaaaa", "bbbbbbbbbb"]
