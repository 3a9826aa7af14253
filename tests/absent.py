"""Skip the tests that need a package which the Python at hand cannot have.

The environment variable FASTNET_ABSENT names the modules, between spaces: those without a wheel for this Python or
processor. It is for `make test-all` and its like. Elsewhere a package that is missing fails the tests.
"""

import os
from collections.abc import Generator

import pytest

ABSENT = frozenset(os.environ.get("FASTNET_ABSENT", "").split())


def absent_module(error: BaseException | None) -> str:
    """Return the absent module that an error comes from; an empty string if it comes from none."""
    while error is not None:
        name = error.name or "" if isinstance(error, ModuleNotFoundError) else ""
        if name.partition(".")[0] in ABSENT:
            return name
        error = error.__cause__ or error.__context__
    return ""


def skip_or_raise(error: Exception) -> None:
    """Skip the test that an absent module ended, and raise any other error."""
    if name := absent_module(error):
        pytest.skip(f"this Python has no {name}")
    raise error


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Skip a file of tests that imports an absent module."""
    report = yield
    call = getattr(report, "call", None)
    if report.failed and call and (name := absent_module(call.excinfo.value)):
        report.outcome = "skipped"
        report.longrepr = (str(collector.path), 0, f"Skipped: this Python has no {name}")
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, None, None]:
    """Skip a test that imports an absent module, itself, in a fixture or through fastnet."""
    try:
        yield
    except Exception as error:
        skip_or_raise(error)


pytest_runtest_call = pytest_runtest_setup
