"""The package as a whole: what show_config tells, and modules that are imported when they are used."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import fastnet as fn


def test_show_config_prints_what_it_returns(capsys: pytest.CaptureFixture[str]) -> None:
    config = fn.show_config(mode="dict")
    assert fn.show_config() is None
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines.keys() == config.keys()
    assert lines["version"] == fn.__version__
    assert lines["isa"] == config["isa"]
    assert config["isa"] in config["available_isas"]
    assert config["bfloat16"] in ("native", "emulated")
    assert config["amx"] in ("absent", "unused", "used", "refused")
    assert lines["available_isas"] == ", ".join(config["available_isas"])


def processor() -> str:
    """Return what Linux tells of the processor, "" elsewhere."""
    file = Path("/proc/cpuinfo")
    return file.read_text().partition("\n\n")[0] if file.exists() else ""


def test_bfloat16_is_native_where_that_is_the_faster_way() -> None:
    config = fn.show_config(mode="dict")
    by_pairs = config["isa"] in ("avx512_bf16", "amx") and "GenuineIntel" not in processor()
    assert config["bfloat16"] == ("native" if by_pairs or config["amx"] == "used" else "emulated")


@pytest.mark.skipif("flags" not in processor(), reason="needs the flags of an x86-64 processor")
def test_amx_is_used_by_the_set_of_its_name_alone() -> None:
    config = fn.show_config(mode="dict")
    flags = set(re.findall(r"\w+", processor()))
    if not {"amx_tile", "amx_bf16", "amx_int8"} <= flags:
        assert config["amx"] == "absent"
        assert "amx" not in config["available_isas"]
    else:
        assert config["amx"] in (("used", "refused") if config["isa"] == "amx" else ("unused", "absent"))


def test_show_config_follows_the_number_of_threads() -> None:
    before = fn.get_num_threads()
    try:
        fn.set_num_threads(1)
        config = fn.show_config(mode="dict")
        assert config["num_threads"] == fn.get_num_threads() == 1
        assert "set_num_threads" in config["num_threads_source"]
    finally:
        fn.set_num_threads(before)


@pytest.mark.parametrize(
    ("n", "error", "message"),
    [
        (0, ValueError, "n must be at least 1; got 0"),
        (2**31, ValueError, "n must be at most 2147483647; got 2147483648"),
        (1.5, TypeError, r"n must be an integer; got 1.5 \(float\)"),
        ("2", TypeError, r"n must be an integer; got '2' \(str\)"),
        (None, TypeError, "n must be an integer; got NoneType"),
    ],
)
def test_numbers_of_threads_that_cannot_be_are_refused(n: Any, error: type[Exception], message: str) -> None:
    before = fn.get_num_threads()
    with pytest.raises(error, match=message):
        fn.set_num_threads(n)
    assert fn.get_num_threads() == before


def test_show_config_refuses_other_modes() -> None:
    with pytest.raises(ValueError, match="mode must be one of 'dict'; got 'json'"):
        fn.show_config(mode="json")  # type: ignore[call-overload]


@pytest.mark.parametrize("name", ["datasets", "metrics", "serialization"])
def test_modules_that_training_does_not_need_are_imported_when_they_are_used(name: str) -> None:
    program = (
        f"import sys, fastnet; assert 'fastnet.{name}' not in sys.modules; "
        f"assert '{name}' in dir(fastnet); assert fastnet.{name} is sys.modules['fastnet.{name}']"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'fastnet' has no attribute 'Dropuot'"):
        _ = fn.Dropuot


def test_importing_fastnet_leaves_what_reads_and_writes_files_for_later() -> None:
    program = "import sys, fastnet; print(*[name for name in sys.modules if 'safetensors' in name or 'serial' in name])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
