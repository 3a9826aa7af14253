"""The sum over shards: the same bits however the shards are divided among ranks, and in whatever messages."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fastnet as fn
from fastnet.distributed import exchange as exchanges
from fastnet.distributed.distribution import current, from_main, is_main
from fastnet.distributed.exchange import Exchange
from fastnet.distributed.tree import additions, blocks_in, part_of
from ranks import Ranks

SIZES = [(size, shards) for shards in range(1, 10) for size in range(1, shards + 1)]
Array = NDArray[Any]


# ---- The tree, written top-down --------------------------------------------------------------------------------------


def depth(shards: int) -> int:
    return (shards - 1).bit_length()


def span(level: int, index: int, shards: int) -> range:
    return range(index << level, min((index + 1) << level, shards))


def largest_blocks(part: range, shards: int, level: int, index: int) -> list[tuple[int, int]]:
    """Blocks below one block, from the root: the first that lie in the range on the way down."""
    own = span(level, index, shards)
    if not own or own.start >= part.stop or own.stop <= part.start:
        return []
    if part.start <= own.start and own.stop <= part.stop:
        return [(level, index)]
    return [block for half in (2 * index, 2 * index + 1) for block in largest_blocks(part, shards, level - 1, half)]


def tree_sum(values: Array, level: int, index: int) -> Array:
    shards = len(values)
    if level == 0:
        return values[index]
    left = tree_sum(values, level - 1, 2 * index)
    return left + tree_sum(values, level - 1, 2 * index + 1) if span(level - 1, 2 * index + 1, shards) else left


@pytest.mark.parametrize(("size", "shards"), SIZES)
def test_a_rank_sums_the_largest_blocks_in_its_part(size: int, shards: int) -> None:
    for rank in range(size):
        part = part_of(rank, size, shards)
        found = [span(*block, shards) for block in blocks_in(part, shards)]
        assert found == [span(*block, shards) for block in largest_blocks(part, shards, depth(shards), 0)]


@pytest.mark.parametrize(("size", "shards"), SIZES)
def test_every_block_but_the_first_is_added_once(size: int, shards: int) -> None:
    parts = [part_of(rank, size, shards) for rank in range(size)]
    order = additions(parts, shards)
    number = sum(len(blocks_in(part, shards)) for part in parts)
    assert sorted(right for _, right in order) == list(range(1, number))
    assert all(left < right for left, right in order)


# ---- The exchange ----------------------------------------------------------------------------------------------------


def exchanged(size: int, shards: int, values: Array, rows: int, wishes: int = 0) -> tuple[Any, int]:
    """Exchange gradients of shards among ranks; return what every rank has then, and the number of messages."""
    figures = np.arange(2.0 * rows).reshape(rows, 2) + 1

    def run(rank: int) -> Any:
        distribution = current()
        assert distribution is not None
        heard: list[int] = []
        exchange = Exchange(
            distribution.communicator, shards, lambda: wishes << rank, lambda union: heard.append(union) or union == 0
        )
        part = exchange.part
        blocks = largest_blocks(part, shards, depth(shards), 0)
        sums = np.stack([tree_sum(values, *block) for block in blocks])
        own = np.zeros_like(figures)
        mine = slice(rows * part.start // shards, rows * part.stop // shards)
        own[mine] = figures[mine]
        goes_on = [exchange(one, two) for one, two in [(sums.copy(), own.copy()), (sums, own)]]
        return sums[0].tobytes(), own.tolist() == figures.tolist(), heard, goes_on

    ranks = Ranks(size, shards, run)
    return ranks.result, ranks.messages


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("size", "shards"), [(size, shards) for size, shards in SIZES if size > 1])
def test_every_rank_gets_the_sum_of_the_tree(
    size: int, shards: int, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(size * shards)
    values = (rng.normal(size=(shards, 37)) * 10.0 ** rng.integers(-3, 4, (shards, 37))).astype(dtype)
    expected = tree_sum(values, depth(shards), 0).tobytes(), True, [0, 0], [True, True]
    assert exchanged(size, shards, values, rows=11) == (expected, 2)
    monkeypatch.setattr(exchanges, "PIECES_FROM", 0)
    assert exchanged(size, shards, values, rows=3) == (expected, 2 if size == 2 else 4)


def test_fewer_values_than_ranks_and_no_rows_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(8.0).reshape(8, 1)
    for pieces_from in (0, exchanges.PIECES_FROM):
        monkeypatch.setattr(exchanges, "PIECES_FROM", pieces_from)
        (total, *rest), _ = exchanged(5, 8, values, rows=1)
        assert np.frombuffer(total).tolist() == [28.0]
        assert rest == [True, [0, 0], [True, True]]


def test_large_gradients_of_several_ranks_go_in_pieces() -> None:
    values = np.zeros((4, exchanges.PIECES_FROM // 4), "float32")
    assert exchanged(4, 4, values, rows=4)[1] == 4
    assert exchanged(2, 4, values, rows=4)[1] == 2
    assert exchanged(4, 4, values[:, 1:], rows=4)[1] == 2


def test_what_one_rank_wishes_all_ranks_hear_after_the_same_step() -> None:
    _, _, heard, goes_on = exchanged(3, 8, np.ones((8, 5)), rows=8, wishes=1)[0]
    assert (heard, goes_on) == ([0b111, 0b111], [False, False])


# ---- The active distribution -----------------------------------------------------------------------------------------


def test_without_mpiexec_there_is_one_rank_and_no_mpi() -> None:
    program = "import sys, fastnet as fn; ranks = fn.distribute(); print(ranks, 'mpi4py' in sys.modules)"
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("OMPI_", "PMI"))}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=outside)
    assert done.stdout == "<Distribution: rank 0 of 1, 8 shards> False\n"


def test_a_distribution_is_active_until_it_ends() -> None:
    assert current() is None
    ranks = fn.distribute(shards=3)
    assert current() is ranks
    assert (ranks.rank, ranks.size, ranks.shards) == (0, 1, 3)
    other = fn.distribute()
    assert current() is other
    ranks.end()  # it has ended already
    assert current() is other
    other.end()
    assert current() is None
    with fn.distribute(shards=2) as ranks:
        assert current() is ranks
    assert current() is None
    assert is_main()


@pytest.mark.parametrize(
    ("shards", "error", "message"),
    [
        (0, ValueError, "shards must be at least 1; got 0"),
        (5000, ValueError, "shards must be at most 4096; got 5000"),
        (2.0, TypeError, r"shards must be an integer; got 2.0 \(float\)"),
    ],
)
def test_a_wrong_number_of_shards_is_refused(shards: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fn.distribute(shards=shards)
    assert current() is None


def test_the_result_of_rank_0_is_that_of_all() -> None:
    assert Ranks(3, 3, lambda rank: from_main(lambda: rank + 7)).result == 7


class OfOurOwnError(ValueError):
    """An error that the other ranks cannot have."""


def raises(error: Exception) -> Any:
    raise error


@pytest.mark.parametrize(
    ("function", "error", "text"),
    [
        ([].pop, IndexError, "pop from empty list"),
        (lambda: {}["a"], KeyError, "'a'"),
        (Path("/nowhere/to/be").read_text, FileNotFoundError, "[Errno 2] No such file or directory: '/nowhere/to/be'"),
        (lambda: raises(PermissionError("not yours")), OSError, "not yours"),
        (lambda: raises(OfOurOwnError("3", 4)), ValueError, "('3', 4)"),
        ("\udc80".encode, ValueError, "'utf-8' codec can't encode character"),
        (lambda: raises(StopIteration(5)), RuntimeError, "StopIteration: 5"),
    ],
)
def test_the_error_of_rank_0_is_that_of_all(function: Callable[[], Any], error: type[Exception], text: str) -> None:
    ranks = Ranks(3, 3, lambda rank: from_main(function))
    assert not ranks.aborts
    for found in ranks.errors[1:]:
        assert isinstance(found, error)
        assert str(found).startswith(text)


def test_an_error_of_one_rank_ends_all() -> None:
    def fails(rank: int) -> None:
        if rank == 1:
            raise OSError("the disk is\nfull")
        distribution = current()
        assert distribution is not None
        distribution.gather(rank)

    ranks = Ranks(3, 3, fails)
    assert ranks.aborts == ["rank 1 ended with OSError: the disk is full"]
    assert None not in ranks.errors
