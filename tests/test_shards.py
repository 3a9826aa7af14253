"""Steps in shards: batches cut into parts that several processes compute, here several networks in threads."""

import threading
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import fastnet as fn

ROWS, BATCH, LABELS = 47, 20, 3  # the last batch has 7 rows, fewer than some numbers of shards

rng = np.random.default_rng(0)
TABLE = rng.normal(size=(ROWS, 12)).astype(np.float32)
IMAGES = rng.integers(0, 256, (ROWS, 6, 6, 1)).astype(np.uint8)
Y = rng.integers(0, LABELS, ROWS)
ORDER = rng.permutation(ROWS)


def dense() -> list[fn.layers.Layer]:
    penalty = fn.regularizers.L2(0.01)
    return [
        fn.Dense(9, "relu", kernel_regularizer=penalty, input_shape=(12,)),
        fn.Dropout(0.4),
        fn.Dense(LABELS, "softmax"),
    ]


def normalized() -> list[fn.layers.Layer]:
    return [fn.Dense(8, input_shape=(12,)), fn.layers.BatchNormalization(momentum=0.8), fn.Dense(LABELS, "softmax")]


def images() -> list[fn.layers.Layer]:
    return [
        fn.layers.Rescaling(1 / 255, input_shape=(6, 6, 1)),
        fn.layers.Conv2D(4, 3, activation="relu"),
        fn.layers.MaxPooling2D(2),
        fn.layers.Flatten(),
        fn.Dense(LABELS, "softmax"),
    ]


def normalized_images() -> list[fn.layers.Layer]:
    return [
        fn.layers.Conv2D(4, 3, input_shape=(6, 6, 1)),
        fn.layers.BatchNormalization(),
        fn.layers.Flatten(),
        fn.Dense(LABELS, "softmax"),
    ]


MODELS: dict[str, tuple[Callable[[], list[fn.layers.Layer]], Any]] = {
    "dense": (dense, TABLE),
    "batch normalization": (normalized, TABLE),
    "images": (images, IMAGES),
    "normalized images": (normalized_images, IMAGES),
}


class Training:
    """A network of the core with its data."""

    def __init__(self, name: str = "dense", dtype: str = "float32", optimizer: Any = "adam", **compiled: Any) -> None:
        layers, x = MODELS[name]
        self.model = fn.Sequential(layers(), seed=3, dtype=dtype)
        self.model.compile(
            optimizer, **({"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]} | compiled)
        )
        self.network: Any = self.model._trainable_network("fit", x)
        self.x = x.reshape(ROWS, -1)

    def epoch(self, sharding: Any = None, batch_size: int = BATCH, hook: Any = None, **options: Any) -> Any:
        return self.network.train_epoch(
            self.x, Y, ORDER, batch_size, None, None, hook=hook, sharding=sharding, **options
        )

    @property
    def values(self) -> Any:
        return self.network.get_state()[0]


# ---- The tree of the sum, written apart from the core ----------------------------------------------------------------


def block(level: int, index: int, shards: int) -> range:
    return range(index << level, min((index + 1) << level, shards))


def largest_blocks(shards: int, first: int, last: int) -> list[range]:
    """Return the largest blocks that lie in a range, from left to right."""
    if first == last:
        return []
    levels = range(shards.bit_length() + 1)
    all_here = [block(level, first >> level, shards) for level in levels if first % (1 << level) == 0]
    longest = max((here for here in all_here if here.stop <= last), key=len)
    return [longest, *largest_blocks(shards, longest.stop, last)]


def total(sums: dict[range, Any], shards: int) -> Any:
    def of(level: int, index: int) -> Any:
        here = block(level, index, shards)
        if here in sums:
            return sums[here]
        left, right = of(level - 1, 2 * index), block(level - 1, 2 * index + 1, shards)
        return left + of(level - 1, 2 * index + 1) if right else left

    return of(shards.bit_length(), 0)


class Exchange:
    """The exchange of processes, for networks in threads of one process."""

    def __init__(self, shards: int, ranks: int) -> None:
        self.shards, self.ranks = shards, ranks
        self.barrier = threading.Barrier(ranks)
        self.posted: dict[range, Any] = {}
        self.begun: dict[int, list[tuple[int, int, Any]]] = {rank: [] for rank in range(ranks)}
        self.figures: dict[int, Any] = {}

    def range_of(self, rank: int) -> tuple[int, int]:
        return self.shards * rank // self.ranks, self.shards * (rank + 1) // self.ranks

    def of_rank(self, rank: int) -> Callable[[Any, Any], bool]:
        first, last = self.range_of(rank)

        def exchange(sums: Any, figures: Any) -> bool:
            blocks = largest_blocks(self.shards, first, last)
            assert len(sums) == len(blocks)
            for begin, end, early in self.begun[rank]:
                assert sums[:, begin:end].tobytes() == early.tobytes(), "sums changed after they were announced"
            self.posted.update(zip(blocks, sums.copy(), strict=True))
            rows = len(figures)
            self.figures[rank] = figures[rows * first // self.shards : rows * last // self.shards].copy()
            self.barrier.wait()
            sums[0] = total(self.posted, self.shards)
            figures[:] = np.concatenate([self.figures[other] for other in range(self.ranks)])
            self.ranges = {tuple(one[:2] for one in self.begun[other]) for other in range(self.ranks)}
            self.barrier.wait()
            self.begun[rank].clear()
            return True

        return exchange

    def begin(self, rank: int) -> Callable[[Any, int, int], None]:
        def begin(sums: Any, first: int, last: int) -> None:
            self.begun[rank].append((first, last, sums[:, first:last].copy()))

        return begin


def in_ranks(
    shards: int, ranks: int, make: Callable[[], Training], least: int | None = None, **options: Any
) -> list[tuple[Training, Any]]:
    """Train an epoch in networks of several ranks; return each with its result.

    With `least`, gradients of layers with as many parameters are announced, the same ones on all ranks.
    """
    exchange = Exchange(shards, ranks)
    trainings = [make() for _ in range(ranks)]
    results: dict[int, Any] = {}

    def run(rank: int) -> None:
        sharding = (shards, *exchange.range_of(rank), exchange.of_rank(rank))
        early = None if least is None else (exchange.begin(rank), least)
        try:
            results[rank] = trainings[rank].epoch(sharding, early=early, **options)
        except BaseException:
            exchange.barrier.abort()
            raise

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(ranks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(exchange.ranges) == 1
    assert (exchange.ranges == {()}) == (least is None)
    return [(trainings[rank], results[rank]) for rank in range(ranks)]


# ---- Tests -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("shards", "ranks"), [(8, 2), (8, 3), (8, 5), (8, 8), (5, 2), (5, 4), (9, 7), (1, 1), (2, 2)])
def test_ranks_compute_the_bits_of_one(name: str, shards: int, ranks: int) -> None:
    alone = Training(name)
    result = alone.epoch((shards, 0, shards, None))
    for rank, figures in in_ranks(shards, ranks, lambda: Training(name)):
        assert rank.values.tobytes() == alone.values.tobytes()
        assert figures == result


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("shards", "ranks"), [(8, 3), (30, 7), (2, 2)])
def test_announced_gradients_are_complete(name: str, shards: int, ranks: int, thread_count: int) -> None:
    """Shards without rows announce theirs, too: 30 shards share 20 rows, and in the last step 7."""
    alone = Training(name)
    alone.epoch((shards, 0, shards, None))
    for rank, _ in in_ranks(shards, ranks, lambda: Training(name), least=1):
        assert rank.values.tobytes() == alone.values.tobytes(), thread_count


@pytest.mark.parametrize("rows", [8, 300, 9000])
@pytest.mark.parametrize("units", [50, 300])
def test_large_layers_are_announced_in_pieces(rows: int, units: int, teams_of_any_size: None) -> None:
    """Whatever the number of threads, and the way in which a step is computed that follows from it."""
    x, y = rng.normal(size=(rows, 800)).astype(np.float32), rng.integers(0, LABELS, rows)
    values: set[bytes] = set()
    ranges: set[tuple[tuple[int, int], ...]] = set()
    for threads in (1, 2, 3):
        for least in (None, 10_000):
            fn.set_num_threads(threads)
            model = fn.Sequential(
                [fn.Dense(units, "relu", input_shape=(800,)), fn.Dense(40, "relu"), fn.Dense(LABELS, "softmax")], seed=1
            )
            model.compile("adam", "sparse_categorical_crossentropy")
            network: Any = model._trainable_network("fit", x)
            found: list[tuple[int, int]] = []

            def begin(sums: Any, first: int, last: int, found: list[tuple[int, int]] = found) -> None:
                assert np.isfinite(sums).all()
                found.append((first, last))

            early = None if least is None else (begin, least)
            network.train_epoch(x, y, None, rows, None, None, sharding=(2, 0, 2, lambda *_: True), early=early)
            values.add(network.get_state()[0].tobytes())
            if least is not None:
                ranges.add(tuple(found))
    assert len(values) == 1
    (announced,) = ranges
    kernel, size = 800 * units, 801 * units
    pieces = [one for one in announced if one[0] < kernel]
    assert len(pieces) > 1
    assert (pieces[0][0], pieces[-1][1]) == (0, kernel)
    assert all(before[1] == after[0] for before, after in pairwise(pieces))
    second = (size, size + 40 * (units + 1))
    assert list(announced[len(pieces) :]) == ([second] if 40 * (units + 1) >= 10_000 else [])


@pytest.mark.parametrize("name", MODELS)
def test_threads_do_not_change_bits(name: str, thread_count: int) -> None:
    training = Training(name)
    training.epoch((6, 0, 6, None))
    fn.set_num_threads(1)
    one = Training(name)
    one.epoch((6, 0, 6, None))
    assert training.values.tobytes() == one.values.tobytes(), thread_count


@pytest.mark.parametrize("name", ["dense", "images"])
@pytest.mark.parametrize("shards", [1, 2, 3, 8, 30])
def test_shards_change_nothing_but_the_rounding(name: str, shards: int) -> None:
    sharded, whole = Training(name, "float64"), Training(name, "float64")
    result, expected = sharded.epoch((shards, 0, shards, None)), whole.epoch()
    np.testing.assert_allclose(sharded.values, whole.values, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(result[1:3], expected[1:3], rtol=1e-12)
    assert result[0] == expected[0] == 3


def test_thousands_of_rows_in_a_shard_change_nothing_but_the_rounding() -> None:
    x, y = rng.normal(size=(10_000, 5)), rng.integers(0, LABELS, 10_000)

    def trained(sharding: Any) -> Any:
        model = fn.Sequential(
            [fn.Dense(6, "tanh", input_shape=(5,)), fn.Dropout(0.5), fn.Dense(LABELS, "softmax")],
            seed=1,
            dtype="float64",
        )
        model.compile("sgd", "sparse_categorical_crossentropy")
        network: Any = model._trainable_network("fit", x)
        network.train_epoch(x, y, None, 10_000, None, None, sharding=sharding)
        return network.get_state()[0]

    np.testing.assert_allclose(trained((2, 0, 2, None)), trained(None), rtol=1e-9, atol=1e-12)


def test_each_shard_normalizes_by_its_own_statistics() -> None:
    shards = 4
    training, before = Training("batch normalization", "float64"), Training("batch normalization", "float64")
    training.epoch((shards, 0, shards, None), end=1)
    first, normalization, _ = before.model.layers
    hidden = TABLE[ORDER[:BATCH]].astype(np.float64) @ first.get_weights()[0] + first.get_weights()[1]
    parts = [hidden[BATCH * k // shards : BATCH * (k + 1) // shards] for k in range(shards)]
    gamma, beta, mean, variance = training.model.layers[1].get_weights()
    del gamma, beta, normalization
    np.testing.assert_allclose(mean, 0.2 * np.mean([part.mean(axis=0) for part in parts], axis=0), rtol=1e-9)
    np.testing.assert_allclose(variance, 0.8 + 0.2 * np.mean([part.var(axis=0) for part in parts], axis=0), rtol=1e-9)


@pytest.mark.parametrize(
    "optimizer",
    [
        fn.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.01, clipnorm=0.5),
        fn.optimizers.Adam(0.01, global_clipnorm=0.3, use_ema=True),
        fn.optimizers.RMSprop(0.01, gradient_accumulation_steps=2),
        fn.optimizers.Muon(0.01),
    ],
    ids=lambda optimizer: type(optimizer).__name__,
)
def test_optimizers_and_penalties_take_the_total(optimizer: Any) -> None:
    def make() -> Training:
        return Training("dense", "float64", fn.optimizers.deserialize(fn.optimizers.serialize(optimizer)))

    whole = make()
    whole.epoch()
    for rank, _ in in_ranks(3, 2, make):
        np.testing.assert_allclose(rank.values, whole.values, rtol=1e-8, atol=1e-11)


def test_custom_losses_are_means_over_the_batch() -> None:
    def loss(y: Any, outputs: Any) -> tuple[float, Any]:
        difference = outputs - np.eye(LABELS)[y.astype(int)]
        return float(np.mean(difference**2)), 2 * difference / difference.size

    def make() -> Training:
        return Training("dense", "float64", "sgd", loss=loss, metrics=None)

    def hook(first: int, outputs: Any) -> Any:
        return loss(Y[ORDER[first : first + len(outputs)]], outputs)

    whole, sharded = make(), make()
    expected, result = whole.epoch(hook=hook), sharded.epoch((3, 0, 3, None), hook=hook)
    np.testing.assert_allclose(sharded.values, whole.values, rtol=1e-9, atol=1e-12)
    assert result[1] == pytest.approx(expected[1], rel=1e-9)


def test_an_exchange_that_returns_false_ends_the_epoch_after_its_step() -> None:
    training, one_step = Training(), Training()
    steps, *_ = training.epoch((2, 0, 2, lambda *_: False))
    one_step.epoch((2, 0, 2, None), end=1)
    # The exchange left the first sum as it is: that of both shards, since this process has all.
    assert steps == 1
    assert training.network.finished_steps == 1
    assert training.values.tobytes() == one_step.values.tobytes()


def test_an_exchange_that_fails_changes_no_weight() -> None:
    training = Training("batch normalization")
    before = training.values.copy()

    def exchange(sums: Any, figures: Any) -> bool:
        raise ConnectionError("rank 1 is gone")

    with pytest.raises(ConnectionError, match="rank 1 is gone"):
        training.epoch((2, 0, 1, exchange))
    assert training.values.tobytes() == before.tobytes()
    assert training.network.finished_steps == 0


def test_an_announcement_that_fails_changes_no_weight() -> None:
    training = Training()
    before = training.values.copy()

    def begin(sums: Any, first: int, last: int) -> None:
        raise ConnectionError("rank 1 is gone")

    with pytest.raises(ConnectionError, match="rank 1 is gone"):
        training.epoch((2, 0, 1, lambda *_: True), early=(begin, 1))
    assert training.values.tobytes() == before.tobytes()
    assert training.network.finished_steps == 0
    training.epoch()


def test_an_epoch_in_shards_resumes_at_any_step() -> None:
    whole, cut = Training(), Training()
    expected = whole.epoch((4, 0, 4, None))
    steps, _, _, bad, sums = cut.epoch((4, 0, 4, None), end=1)
    assert cut.epoch((4, 0, 4, None), done=(steps, *sums, bad)) == expected
    assert cut.values.tobytes() == whole.values.tobytes()


def test_the_arrays_of_an_exchange_outlive_the_epoch() -> None:
    kept: list[Any] = []
    Training().epoch((2, 0, 2, lambda *arrays: kept.append(arrays) or True))
    assert all(np.isfinite(array).all() for arrays in kept for array in arrays)
    assert [len(figures) for _, figures in kept] == [20, 20, 7]


@pytest.mark.parametrize(
    "sharding", [(0, 0, 0, None), (2, 1, 1, None), (2, -1, 1, None), (2, 0, 3, None), (1 << 17, 0, 1, None)]
)
def test_shards_that_do_not_exist_are_refused(sharding: Any) -> None:
    with pytest.raises(ValueError, match=r"sharding must have 1..65536 shards and 0 <= first < last <= shards, got"):
        Training().epoch(sharding)


@pytest.mark.parametrize(("sharding", "least"), [(None, 1), ((2, 0, 2, None), 1), ((2, 0, 2, print), 0)])
def test_announcements_need_an_exchange(sharding: Any, least: int) -> None:
    with pytest.raises(ValueError, match="early needs a sharding with an exchange, and at least 1 parameter"):
        Training().epoch(sharding, early=(print, least))
