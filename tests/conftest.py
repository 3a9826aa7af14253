"""Fixtures and settings that all tests share."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

import fastnet as fn
from absent import pytest_make_collect_report, pytest_runtest_call, pytest_runtest_setup  # noqa: F401 - hooks
from browser import browser, digits_server, open_page  # noqa: F401 - fixtures
from command import flowers, model, run  # noqa: F401
from csv_files import engine  # noqa: F401
from fastnet import _core
from page_servers import (  # noqa: F401
    colors_server,
    convolutional_server,
    flowers_server,
    gray_server,
    mnist_model,
    mnist_server,
)

# No deadline: the first call of a kernel pays for waking the threads, and a busy machine is not a failure.
# In continuous integration the examples are always the same, so that a failure belongs to the change.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", parent=settings.get_profile("default"), derandomize=True, print_blob=True)
settings.register_profile("emulated", parent=settings.get_profile("default"), max_examples=5)  # for tools/emulation.py
settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_interrupts() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, which it does not in the processes of pytest-xdist and in jobs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def same_number_of_threads() -> Iterator[None]:
    """The number of threads is put back after each test, whatever it sets."""
    before = fn.get_num_threads()
    yield
    if fn.get_num_threads() != before:
        fn.set_num_threads(before)


@pytest.fixture(autouse=True)
def no_open_figures() -> Iterator[None]:
    """Figures are closed after each test: pyplot keeps them, and warns when there are many."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def teams_of_any_size() -> Iterator[None]:
    """Teams run even where they are larger than the machine."""
    _core.rest_teams(False)
    yield
    _core.rest_teams(True)


@pytest.fixture(params=[1, 2, 3])
def thread_count(request: pytest.FixtureRequest) -> int:
    """The number of threads that work."""
    fn.set_num_threads(request.param)
    return int(request.param)


@pytest.fixture(scope="session")
def fastnet_data() -> Path:
    """Folder that the environment variable FASTNET_DATA names; the test is skipped where it is not set."""
    folder = os.environ.get("FASTNET_DATA")
    if not folder:
        pytest.skip("needs the environment variable FASTNET_DATA: a folder with data sets")
    return Path(folder)


@pytest.fixture(scope="session")
def mnist_dir(fastnet_data: Path) -> Path:
    """Folder with the four IDX files of MNIST; the test is skipped where there is none."""
    folder = fastnet_data / "mnist"
    if not folder.is_dir():
        pytest.skip(f"needs MNIST's IDX files in {folder}")
    return folder
