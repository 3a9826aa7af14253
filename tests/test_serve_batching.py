"""Requests that come together share a call, and nothing else."""

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fastnet as fn
from asking import client
from fastnet.serve import create_app
from fastnet.serve.batching import Batcher

Array = NDArray[Any]


class Doubling:
    """Doubles rows, and remembers how many each call had."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.go = threading.Event()  # until it is set, calls wait
        self.go.set()

    def __call__(self, rows: Array) -> Array:
        self.calls.append(len(rows))
        assert self.go.wait(20)
        if (rows < 0).any():
            raise ValueError("negative")
        return 2 * rows


@contextmanager
def batching(predict: Callable[[Array], Array], max_batch: int = 100, quick_rows: int = 0) -> Iterator[Batcher]:
    batcher = Batcher(predict, max_batch, quick_rows)
    yield batcher
    batcher.close()


def row(value: float, count: int = 1) -> Array:
    return np.full((count, 3), value)


async def together(*work: Awaitable[Array]) -> list[Any]:
    return await asyncio.gather(*work, return_exceptions=True)


@pytest.mark.parametrize("quick_rows", [0, 100], ids=["on the thread", "in the event loop"])
def test_requests_that_come_together_are_one_call_in_their_order(quick_rows: int) -> None:
    doubling = Doubling()
    with batching(doubling, quick_rows=quick_rows) as batcher:
        answers = asyncio.run(together(*(batcher.predict(row(value, count=value % 3 + 1)) for value in range(10))))
    assert doubling.calls == [19]
    for value, answer in enumerate(answers):
        np.testing.assert_array_equal(answer, row(2 * value, count=value % 3 + 1))


def test_a_call_has_no_more_rows_than_it_may_unless_one_request_has() -> None:
    doubling = Doubling()
    with batching(doubling, max_batch=4) as batcher:
        answers = asyncio.run(together(*(batcher.predict(row(1, count)) for count in (2, 2, 1, 9, 3))))
    assert doubling.calls == [4, 1, 9, 3]
    assert [len(answer) for answer in answers] == [2, 2, 1, 9, 3]


def test_requests_that_find_a_call_running_share_the_next_one() -> None:
    doubling = Doubling()

    async def ask(batcher: Batcher) -> None:
        doubling.go.clear()
        first = asyncio.create_task(batcher.predict(row(1)))
        while not doubling.calls:
            await asyncio.sleep(0.001)
        others = [asyncio.create_task(batcher.predict(row(value))) for value in range(5)]
        await asyncio.sleep(0.01)
        doubling.go.set()
        await together(first, *others)

    with batching(doubling) as batcher:
        asyncio.run(ask(batcher))
    assert doubling.calls == [1, 5]


def test_an_error_reaches_the_request_that_caused_it_alone() -> None:
    with batching(Doubling()) as batcher:
        good, bad, other = asyncio.run(together(*(batcher.predict(row(value)) for value in (1, -1, 3))))
    assert isinstance(bad, ValueError)
    assert (good == 2).all()
    assert (other == 6).all()


def test_a_request_that_is_given_up_is_left_out_of_the_call() -> None:
    doubling = Doubling()

    async def ask(batcher: Batcher) -> Array:
        doubling.go.clear()
        running = asyncio.create_task(batcher.predict(row(1)))
        while not doubling.calls:
            await asyncio.sleep(0.001)
        waiting, staying = (asyncio.create_task(batcher.predict(row(value))) for value in (2, 3))
        await asyncio.sleep(0)
        running.cancel()  # whose call goes on
        waiting.cancel()
        doubling.go.set()
        return await staying

    with batching(doubling) as batcher:
        answer = asyncio.run(ask(batcher))
    np.testing.assert_array_equal(answer, row(6))
    assert doubling.calls == [1, 1]


@pytest.mark.parametrize("outputs", [row(1, 5), None], ids=["too many rows", "no rows"])
def test_a_function_that_returns_something_else_is_an_error_at_once(outputs: Any) -> None:
    with batching(lambda _: outputs) as batcher:
        (answer,) = asyncio.run(together(batcher.predict(row(1))))
    assert isinstance(answer, ValueError | TypeError)


def test_a_hundred_clients_get_their_own_answers_in_few_calls() -> None:
    model = fn.Sequential([fn.Dense(8, "relu", input_shape=(4,)), fn.Dense(3, "softmax")], seed=0)
    calls: list[int] = []

    def predict(rows: Array) -> Array:
        calls.append(len(rows))
        return model(rows)

    instances = np.random.default_rng(0).random((100, 4))

    async def ask_all() -> list[Any]:
        async with client(create_app(model, predict=predict, max_batch=64)) as asking:
            asked = (asking.post("/predict", json={"instance": instance.tolist()}) for instance in instances)
            return [answer.json()["predictions"][0] for answer in await asyncio.gather(*asked)]

    answers = asyncio.run(ask_all())
    np.testing.assert_allclose([answer["probabilities"] for answer in answers], model.predict(instances), rtol=1e-6)
    assert sum(calls) == 100
    assert max(calls) <= 64
    assert len(calls) < 20


@pytest.mark.parametrize("quick_rows", [0, 100], ids=["on the thread", "in the event loop"])
def test_event_loops_of_several_threads_get_their_answers(quick_rows: int) -> None:
    busy = threading.Lock()

    def predict(rows: Array) -> Array:
        assert busy.acquire(blocking=False)  # one call at a time, whoever asks
        time.sleep(0.001)
        busy.release()
        return 2 * rows

    answers: dict[int, list[Any]] = {}

    def ask(thread: int, batcher: Batcher) -> None:
        async def in_turns() -> list[Any]:
            return [await together(*(batcher.predict(row(thread + turn)) for _ in range(3))) for turn in range(10)]

        answers[thread] = asyncio.run(in_turns())

    with batching(predict, quick_rows=quick_rows) as batcher:
        threads = [threading.Thread(target=ask, args=(number, batcher)) for number in (10, 20, 30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for thread, turns in answers.items():
        for turn, of_turn in enumerate(turns):
            for answer in of_turn:
                np.testing.assert_array_equal(answer, row(2 * (thread + turn)))
    assert sorted(answers) == [10, 20, 30]


def test_a_batcher_keeps_no_event_loop() -> None:
    loops: list[Any] = []

    async def ask(batcher: Batcher) -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await together(*(batcher.predict(row(value)) for value in range(3)))

    with batching(Doubling()) as batcher:
        for _ in range(3):
            asyncio.run(ask(batcher))
        gc.collect()
        assert [loop() for loop in loops] == [None, None, None]


def test_a_closed_batcher_refuses() -> None:
    with batching(Doubling()) as batcher:
        asyncio.run(batcher.predict(row(1)))
    (answer,) = asyncio.run(together(batcher.predict(row(1))))
    assert isinstance(answer, RuntimeError)
