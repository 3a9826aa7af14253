"""An epoch runs its segments with a team or with one thread, whichever is faster; trials of the other way are few."""

from collections.abc import Callable

import pytest

from fastnet._core import Pace

SEGMENT = 2e-3  # seconds


def chosen(pace: Pace, seconds_per_step: Callable[[int], float], segments: int) -> list[int]:
    """The numbers of threads of the next segments, where a step takes so long on that number."""
    threads = []
    for _ in range(segments):
        threads.append(pace.threads(2))
        step = seconds_per_step(threads[-1])
        steps = max(int(SEGMENT / step), 1)
        pace.record(steps, steps * step)
    return threads


def begun(rows: int = 128) -> Pace:
    pace = Pace()
    pace.begin(rows, 2)
    return pace


@pytest.mark.parametrize("microseconds", [10, 100, 450, 600, 3000])
@pytest.mark.parametrize("gain", [1.1, 1.5, 2.0])
def test_a_team_that_is_faster_stays(microseconds: float, gain: float) -> None:
    threads = chosen(begun(), lambda count: microseconds * 1e-6 * (1 if count == 2 else gain), 1000)
    assert threads.count(1) <= 10
    assert threads[-100:].count(1) <= 1


@pytest.mark.parametrize("microseconds", [10, 100, 300])
def test_one_thread_that_is_faster_takes_over(microseconds: float) -> None:
    threads = chosen(begun(), lambda count: microseconds * 1e-6 * (1.3 if count == 2 else 1), 1000)
    assert threads[:4] == [2] * 4
    assert threads[10:].count(2) <= 10


def test_a_difference_within_noise_changes_nothing() -> None:
    assert chosen(begun(), lambda count: 1e-4 * (1.03 if count == 2 else 1), 100).count(1) <= 5


def test_what_becomes_faster_later_is_found() -> None:
    pace = begun()
    chosen(pace, lambda count: 1e-4 / count, 100)
    assert chosen(pace, lambda count: 1e-4 * count, 1100)[-100:].count(2) <= 1


def test_long_steps_are_not_tried_on_one_thread() -> None:
    assert chosen(begun(), lambda count: 0.9e-3 / count, 100).count(1) <= 10
    assert set(chosen(begun(), lambda count: 2e-3 / count, 100)) == {2}


def test_other_steps_begin_with_the_team() -> None:
    pace = begun()
    chosen(pace, lambda count: 1e-4 * count, 100)
    assert pace.threads(2) == 1
    pace.begin(64, 2)
    assert pace.threads(2) == 2


def test_the_limit_of_threads_is_kept() -> None:
    pace = begun()
    assert {pace.threads(1), chosen(pace, lambda count: 1e-4 * count, 50)[-1], pace.threads(1)} == {1}


def test_a_segment_without_steps_does_not_count() -> None:
    pace = begun()
    for _ in range(20):
        pace.record(0, SEGMENT)
    assert pace.threads(2) == 2
