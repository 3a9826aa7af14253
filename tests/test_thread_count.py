"""How many threads fastnet uses, and what it says has decided the number."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import threadpoolctl

import fastnet as fn
from fastnet import _core

PROCESSORS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
TELL = "import fastnet as fn; c = fn.show_config('dict'); print(c['num_threads'], c['num_threads_source'])"

needs_two_processors = pytest.mark.skipif(PROCESSORS < 2, reason="needs two processors")
needs_affinity = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinity")


def told(program: str = TELL, **environment: str) -> list[str]:
    """What a fresh process prints, in words."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.split()


# ---- cgroup quotas --------------------------------------------------------------------------------------------------


def fake_root(root: Path, groups: str, **files: str) -> str:
    """Write /proc/self/cgroup and files of the cgroup file system (name: content) below a folder."""
    paths = {"proc/self/cgroup": groups} | {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    for name, text in paths.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("50000 100000\n", 1),
        ("max 100000\n", 0),
        ("400000 50000\n", 8),
        ("", 0),
        ("-1 100000\n", 0),
        ("200000\n", 0),
        ("200000 0\n", 0),
        ("garbage\n", 0),
        ("1e300 1\n", 1_000_000),
    ],
)
def test_quota_of_version_2(tmp_path: Path, content: str, expected: int) -> None:
    root = fake_root(tmp_path, "0::/app\n", **{"app/cpu.max": content})
    assert _core.cgroup_quota(root) == expected


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize("controllers", ["cpu", "cpu,cpuacct", "cpuacct,cpu"])
@pytest.mark.parametrize(("quota", "expected"), [("300000", 3), ("250000", 3), ("-1", 0), ("", 0)])
def test_quota_of_version_1(tmp_path: Path, mount: str, controllers: str, quota: str, expected: int) -> None:
    files = {f"{mount}/job/cpu.cfs_quota_us": f"{quota}\n", f"{mount}/job/cpu.cfs_period_us": "100000\n"}
    root = fake_root(tmp_path, f"5:memory:/other\n4:{controllers}:/job\n0::/\n", **files)
    assert _core.cgroup_quota(root) == expected


def test_the_strictest_of_a_group_and_its_parents_counts(tmp_path: Path) -> None:
    levels = {"a/b/c/cpu.max": "max 100000", "a/b/cpu.max": "300000 100000", "a/cpu.max": "500000 100000"}
    assert _core.cgroup_quota(fake_root(tmp_path, "0::/a/b/c\n", **levels)) == 3
    (tmp_path / "sys/fs/cgroup/cpu.max").write_text("100000 100000")
    assert _core.cgroup_quota(str(tmp_path)) == 1
    (tmp_path / "sys/fs/cgroup/other").mkdir()
    (tmp_path / "sys/fs/cgroup/other/cpu.max").write_text("1000 100000")
    assert _core.cgroup_quota(fake_root(tmp_path, "0::/a\n")) == 1


def test_version_2_beside_version_1(tmp_path: Path) -> None:
    files = {"cpu/job/cpu.cfs_quota_us": "400000", "cpu/job/cpu.cfs_period_us": "100000"}
    files["unified/job/cpu.max"] = "200000 100000"
    assert _core.cgroup_quota(fake_root(tmp_path, "3:cpu:/job\n0::/job\n", **files)) == 2


@pytest.mark.parametrize("path", ["/docker/0123", "/../../elsewhere", "/"])
def test_in_a_container_the_uppermost_group_counts(tmp_path: Path, path: str) -> None:
    root = fake_root(tmp_path / "inside", f"0::{path}\n", **{"cpu.max": "200000 100000"})
    (tmp_path / "inside/sys/elsewhere").mkdir()  # where the second path leads, taken literally
    (tmp_path / "inside/sys/elsewhere/cpu.max").write_text("100000 100000")
    assert _core.cgroup_quota(root) == 2


@pytest.mark.parametrize("groups", ["", "\n", "0::\n", "nonsense\n", "::::\n", "0:\n", "7:cpu\n", "7:cpuset:/x\n"])
def test_no_quota_where_nothing_says_so(tmp_path: Path, groups: str) -> None:
    assert _core.cgroup_quota(fake_root(tmp_path, groups)) == 0
    assert _core.cgroup_quota(str(tmp_path / "missing")) == 0


# ---- Affinity, environment, threadpoolctl ---------------------------------------------------------------------------


def test_every_processor_by_default() -> None:
    threads, *source = told()
    quota = _core.cgroup_quota("")
    assert int(threads) == min(PROCESSORS, quota or PROCESSORS)
    assert source == (["cgroup", "quota"] if 0 < quota < PROCESSORS else ["affinity"])


@needs_two_processors
def test_environment_lowers_the_number() -> None:
    assert told(OMP_NUM_THREADS="1") == ["1", "OMP_NUM_THREADS"]
    assert told(OMP_NUM_THREADS="1,2") == ["1", "OMP_NUM_THREADS"]


@pytest.mark.parametrize("value", ["100000", "0", "-3", "many", ""])
def test_environment_that_does_not_lower_the_number(value: str) -> None:
    assert told(OMP_NUM_THREADS=value) == told()


@needs_affinity
@needs_two_processors
def test_affinity_is_followed_when_it_changes() -> None:
    program = "import os, fastnet as fn; all = os.sched_getaffinity(0); os.sched_setaffinity(0, {min(all)}); "
    program += TELL + "; os.sched_setaffinity(0, all); " + TELL
    assert told(program) == ["1", "affinity", *told()]


def test_set_num_threads_may_ask_for_more() -> None:
    more = str(PROCESSORS + 3)
    program = f"import fastnet as fn; fn.set_num_threads({more}); "
    assert told(program + TELL) == told(program + TELL, OMP_NUM_THREADS="1") == [more, "set_num_threads"]


@needs_two_processors
def test_threadpoolctl_lowers_the_number_while_it_lasts() -> None:
    before = fn.get_num_threads()
    try:
        for asked in (2, 3):  # whatever another test has left
            fn.set_num_threads(asked)
            free = fn.show_config("dict")
            with threadpoolctl.threadpool_limits(1):
                limited = fn.show_config("dict")
                assert (limited["num_threads"], limited["num_threads_source"]) == (1, "threadpoolctl")
                assert fn.get_num_threads() == 1
            assert fn.show_config("dict") == free
    finally:
        fn.set_num_threads(before)


@needs_two_processors
def test_import_while_threadpoolctl_limits() -> None:
    program = "import sklearn.cluster, threadpoolctl\nwith threadpoolctl.threadpool_limits(1): import fastnet as fn\n"
    assert told(program + TELL) == told()
