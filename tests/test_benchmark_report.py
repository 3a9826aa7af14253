"""RESULTS.md: a section for each kind of processor, their summaries side by side, and what the sections show."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import plots, processors, report, report_kernels, report_summary, report_users, sections, tables_as_read
from benchmarks.cases import INTEGERS, ZEROS_SKIPPED, Gemm, Prediction
from benchmarks.results import Record, Results, Row
from benchmarks.table_cases import CONTIGUOUS, FULL_BATCH, PANDAS_ARRAY, Table
from benchmarks.workloads import MOMENTUM, WIDE

ROOT = Path(__file__).resolve().parent.parent
ZEN_3, ZEN_4 = "AMD Zen 3 (AVX2)", "AMD Zen 4 (AVX-512)"


def row(peer: str, seconds: float, case: str, threads: int = 1) -> Row:
    return Row(peer, threads, case, [{"seconds": seconds}] * 2)


def results(*records: Record, kind: str = ZEN_3, date: str = "2026-12-01", quick: bool = False) -> Results:
    versions = {
        "fastnet": "fastnet 1 (avx2 kernels)",
        "numpy": "NumPy 2",
        "torch": "PyTorch 3",
        "onnxruntime": "onnxruntime 4",
    }
    machine = {"date": date, "processor": "AMD EPYC, 2 processors"}
    return Results(machine, [1, 2], versions, [], quick, {record.name: record for record in records}, kind=kind)


def momentum(ratio: float, **about: str) -> Results:
    """NumPy takes `ratio` times as long as fastnet."""
    peers = {"fastnet": 0.1, "numpy": 0.1 * ratio}
    rows = [row(peer, seconds, MOMENTUM.key, threads) for peer, seconds in peers.items() for threads in (1, 2)]
    return results(Record("momentum", rows), **about)


# ---- Kinds ----------------------------------------------------------------------------------------------------------


def cpuinfo(vendor: str, family: int, model: int, flags: str = "avx2") -> dict[str, str]:
    text = f"processor\t: 0\nvendor_id\t: {vendor}\ncpu family\t: {family}\nmodel\t\t: {model}\nmodel name\t: AMD EPYC\nflags\t\t: {flags}\n"
    return processors.fields(text + "\nprocessor\t: 1\nmodel\t\t: 99\n")


@pytest.mark.parametrize(
    ("info", "kind"),
    [
        (cpuinfo("AuthenticAMD", 0x17, 0x31), "AMD Zen 2 (AVX2)"),
        (cpuinfo("AuthenticAMD", 0x19, 0x01), ZEN_3),
        (cpuinfo("AuthenticAMD", 0x19, 0x21), ZEN_3),
        (cpuinfo("AuthenticAMD", 0x19, 0x11, "avx2 avx512f avx512_bf16"), ZEN_4),
        (cpuinfo("AuthenticAMD", 0x19, 0x61, "avx2 avx512f"), ZEN_4),
        (cpuinfo("AuthenticAMD", 0x19, 0xA0, "avx2 avx512f"), ZEN_4),
        (cpuinfo("AuthenticAMD", 0x1A, 0x02, "avx2 avx512f"), "AMD Zen 5 (AVX-512)"),
        (cpuinfo("GenuineIntel", 6, 0x8F, "avx2 avx512f amx_tile amx_bf16"), "Intel Sapphire Rapids (AVX-512, AMX)"),
        (cpuinfo("GenuineIntel", 6, 0x8F, "avx2 avx512f"), "Intel Sapphire Rapids (AVX-512)"),
        (cpuinfo("GenuineIntel", 6, 250, "sse2"), "Intel family 6, model 250 (without AVX2)"),
        (cpuinfo("HygonGenuine", 24, 1), "HygonGenuine family 24, model 1 (AVX2)"),
        ({"CPU implementer": "0x41", "CPU part": "0xd0c"}, "Arm Neoverse N1"),
        ({"CPU implementer": "0x41", "CPU part": "0xfff"}, "Arm part 0xfff"),
    ],
)
def test_kinds_of_processors_are_told_by_family_model_and_instruction_set(info: dict[str, str], kind: str) -> None:
    assert processors.kind(info) == kind


def test_where_the_system_says_nothing_python_names_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors.platform, "processor", lambda: "arm")
    assert processors.kind({}) == "arm"
    assert processors.description({}) == "arm"


def test_no_model_is_of_two_microarchitectures() -> None:
    for vendor, known in processors.MICROARCHITECTURES.items():
        models = [(family, m) for family, ranges, _ in known for low, high in ranges for m in range(low, high + 1)]
        assert len(models) == len(set(models)), vendor


# ---- Sections -------------------------------------------------------------------------------------------------------


def test_a_run_replaces_the_section_of_its_kind_and_leaves_the_others() -> None:
    page = report.write(momentum(2.0, kind=ZEN_4, date="2026-11-25"))
    page = report.write(momentum(3.0), page)
    first, second = sections.split(page)
    assert [first.kind, second.kind] == [ZEN_3, ZEN_4]
    newer = report.write(momentum(1.5, date="2026-12-02"), page)
    replaced, kept = sections.split(newer)
    assert kept == second
    assert (replaced.date, first.date) == ("2026-12-02", "2026-12-01")
    assert "NumPy 150 ms" in replaced.text
    assert "NumPy 300 ms" not in newer
    assert sections.merge(newer, first) == sections.split(newer)  # a report of earlier figures replaces nothing newer


def test_joined_runs_take_the_later_figures_of_a_workload_and_keep_the_others() -> None:
    earlier = results(
        Record("wide", [row("fastnet", 1.0, WIDE.key)]), Record("momentum", [row("fastnet", 5.0, MOMENTUM.key)])
    )
    joined = earlier.joined(momentum(2.0))
    assert list(joined.records) == ["momentum", "wide"]
    assert joined.records["momentum"] == momentum(2.0).records["momentum"]
    assert joined.notes == ["measured in earlier runs of 2026-12-01: wide"]
    assert joined.joined(results()).notes == ["measured in earlier runs of 2026-12-01: momentum, wide"]
    with pytest.raises(ValueError, match=f"runs differ in kind: {re.escape(ZEN_4)} and {re.escape(ZEN_3)}"):
        momentum(2.0, kind=ZEN_4).joined(momentum(2.0))


def test_the_table_at_the_top_says_what_the_sections_say() -> None:
    page = report.write(momentum(2.0, kind=ZEN_4, date="2026-11-25"))
    page = report.write(momentum(3.0), page)
    top = page[: page.index(f"## {ZEN_3}")]
    assert f"| workload | {ZEN_3}<br>2026-12-01 | {ZEN_4}<br>2026-11-25 | goal |" in top
    assert f"| {MOMENTUM.name} | **3.00 / 3.00** | 2.00 / 2.00 | 2.40 |" in top
    # Also where a section was edited: the table is made from it.
    edited = report.write(momentum(3.0), page.replace("| 2.00 (2.00 to 2.00) |", "| 1.25 (2.00 to 2.00) |"))
    assert f"| {MOMENTUM.name} | **3.00 / 3.00** | 2.00 / 1.25 | 2.40 |" in edited


def test_a_row_that_only_an_older_section_has_stays_in_the_table() -> None:
    older = results(
        Record("wide", [row("fastnet", 1.0, WIDE.key), row("numpy", 2.0, WIDE.key)]), kind=ZEN_4, date="2026-01-01"
    )
    page = report.write(momentum(3.0), report.write(older))
    assert f"| {WIDE.name} |  | **2.00** | 1.15 |" in page[: page.index(f"## {ZEN_3}")]


def test_the_committed_page_is_what_its_sections_make_of_it() -> None:
    page = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    found = sections.split(page)
    assert len(found) >= 2
    assert sections.write((report.OPENING, report.METHOD), found) == page
    for section in found:
        assert section.date
        assert section.summary()


def test_a_page_from_before_there_were_sections_becomes_one() -> None:
    body = report.body(momentum(2.0, date="2026-11-25"), ()).replace("### ", "## ").replace("#### ", "### ")
    page = report.write(momentum(3.0), f"# Results\n\nMade by `make bench`.\n\n{body}\n")
    old, new = sections.split(page)
    assert (new.kind, old.kind) == (ZEN_3, "AMD EPYC (avx2)")
    assert old.date == "2026-11-25"
    assert f"| {MOMENTUM.name} | 2.00 / 2.00 | **3.00 / 3.00** | 2.40 |" in page


def test_a_page_without_sections_or_a_summary_is_begun_again() -> None:
    assert sections.split("") == []
    assert sections.split("# Results\n\nNothing yet.\n") == []


def test_plots_belong_to_a_kind_and_only_those_that_exist_are_shown(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    case = Gemm(64, 64, 64)
    written = plots.write(results(Record("gemm", [row("fastnet", 1e-5, case.key)]), kind=ZEN_4), tmp_path)
    assert written == ("gemm-amd-zen-4-avx-512.svg",)
    assert [path.name for path in tmp_path.iterdir()] == list(written)
    text = report.body(results(Record("gemm", [row("fastnet", 1e-5, case.key)]), kind=ZEN_4), written)
    assert "](gemm-amd-zen-4-avx-512.svg)" in text
    assert ".svg" not in report.body(momentum(2.0), written[:0])


# ---- Summaries ------------------------------------------------------------------------------------------------------


def summary(found: Results) -> dict[str, list[str]]:
    lines = [line for line in report_summary.summary(found) if line.startswith("| ")]
    return {cells[0]: cells[1:] for line in lines if (cells := [cell.strip() for cell in line.strip("|").split("|")])}


def test_forms_have_aims_of_their_own() -> None:
    zeros = replace(MOMENTUM, form=ZEROS_SKIPPED)
    plain = momentum(2.5).records["momentum"].rows
    cells = summary(results(Record("momentum", [*plain, row("fastnet", 0.05, zeros.key)])))
    assert cells[MOMENTUM.name][-1] == "2.40 reached"
    assert cells[f"{MOMENTUM.name}<br>*beside it: {ZEROS_SKIPPED}*"][-1] == "3.00 reached"


def test_a_form_that_peers_have_too_is_compared_with_theirs() -> None:
    case = Prediction((784, 64, 64, 10), 256)
    form = replace(case, form=INTEGERS)
    rows = [row("fastnet", 4.0, case.key), row("onnxruntime", 2.0, case.key), row("fastnet", 1.0, form.key)]
    name = f"{case.name}<br>*beside it: {INTEGERS}*"
    assert name not in summary(results(Record("prediction", rows)))  # no peer computes in integers
    rows.append(row("onnxruntime", 0.5, form.key))
    cells = summary(results(Record("prediction", rows)))[name]
    assert cells[:2] == ["1.00 s", "onnxruntime 500 ms"]
    assert cells[-1] == "1.00 missed"
    text = report.body(results(Record("prediction", rows)), ())
    assert f"| 1 thread, {INTEGERS} | fastnet | onnxruntime | best | ratio |  |" in text


def test_data_as_people_have_them_are_compared_with_contiguous_uint8() -> None:
    times = {CONTIGUOUS: 0.010, PANDAS_ARRAY: 0.012, "contiguous int64": 0.016}
    rows = [row("fastnet", seconds, Table(data, FULL_BATCH).key) for data, seconds in times.items()]
    rows.append(row("numpy", 0.06, Table(PANDAS_ARRAY, FULL_BATCH).key))
    found = results(Record("as_read", rows))
    cells = summary(found)
    worst = cells[f"784-10-10, {FULL_BATCH.name}, data as people have them: the slowest"]
    assert worst[:2] == ["16.0 ms", "contiguous uint8 10.0 ms"]
    assert worst[-1] == "0.67 reached by 1 of 2"
    assert cells[f"784-10-10, {FULL_BATCH.name}, {PANDAS_ARRAY}"][1] == "a notebook's NumPy 60.0 ms"
    text = "\n".join(report_users.as_read(found))
    assert f"| {PANDAS_ARRAY} | 12.0 (1.20) |" in text
    assert "| a notebook's NumPy | 60.0 |" in text


def test_the_compiled_benchmark_is_shown_beside_libxsmm_where_it_was_there() -> None:
    found = results()
    found.kernels = [{"name": "fma_peak", "threads": 1, "gflops": 100.0}]
    assert "LIBXSMM" not in "\n".join(report_kernels.kernels(found))
    for n, ratio in ((16, 0.5), (32, 0.95), (64, 0.8)):
        figure = {
            "name": "xsmm",
            "version": "1.17",
            "m": n,
            "n": n,
            "k": n,
            "fastnet": 100 * ratio,
            "xsmm": 100.0,
            "ratio": ratio,
        }
        found.kernels.append(figure | {"low": ratio, "high": ratio})
    assert "| 32 x 32 x 32 | 95 | 100 | 0.95 (0.95 to 0.95) |" in report_kernels.kernels(found)
    cells = summary(found)["matrix product in C++, one thread: 2 shapes, geometric mean"]
    assert cells[-1] == "0.90 reached by 1 of 2"  # 16 x 16 x 16 has no aim


def test_the_import_has_an_aim_in_milliseconds() -> None:
    found = results(Record("imports", [row("fastnet", 0.011, "import", 0)]))
    assert summary(found)["`import fastnet`, beyond NumPy's"][-1] == "15.0 ms reached"
    page = report.write(found)
    assert "| `import fastnet`, beyond NumPy's | **11.0 ms** | 15.0 ms |" in page


# ---- Data as they are read ------------------------------------------------------------------------------------------


def test_the_table_is_read_as_notebooks_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 784)).astype(np.uint8)
    monkeypatch.setattr(tables_as_read, "mnist", lambda: (pixels, np.arange(30) % 10))
    monkeypatch.setattr(tables_as_read, "CSV", tmp_path / "train.csv")
    monkeypatch.setattr(tables_as_read, "ROWS", 25)
    monkeypatch.setattr(tables_as_read, "TESTED", 5)
    tables_as_read.read.cache_clear()
    try:
        for data in tables_as_read.READERS:
            if library := {"pl": "polars", "pd": "pandas", "py": "pyarrow"}.get(data.removeprefix("np.array(")[:2]):
                pytest.importorskip(library)
            x, y = tables_as_read.read(data)
            assert np.array_equal(np.asarray(x), pixels[5:25]), data
            assert y.tolist() == [n % 10 for n in range(5, 25)]
        as_read = tables_as_read.READERS[PANDAS_ARRAY]()
        assert as_read.dtype == np.int64
        assert as_read.flags.f_contiguous or as_read.strides[0] < as_read.strides[1]
    finally:
        tables_as_read.read.cache_clear()


def test_a_partial_run_leaves_the_page_of_records_alone(tmp_path: Path) -> None:
    """The report of a run of one workload goes to build/, as that of a quick one does."""
    found = momentum(2.0)
    found.save(tmp_path / "results.json")
    committed = (ROOT / "benchmarks" / "RESULTS.md").read_bytes()
    program = (
        f"import sys; from pathlib import Path; from benchmarks import __main__ as main; main.FOLDER = Path({str(tmp_path)!r}); "
        "main.main()"
    )
    command = [sys.executable, "-c", program, "--report", str(tmp_path / "results.json")]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert (ROOT / "benchmarks" / "RESULTS.md").read_bytes() == committed
    assert ZEN_3 in (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
