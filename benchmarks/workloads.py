"""What is measured. A workload is a few cases that one process measures one after another; a peer is not named here.

To add a case, add it to a workload below; every peer that can do its kind takes part. `target` is the ratio of the best
peer's time to fastnet's that the project aims at.
"""

from dataclasses import dataclass, replace

from .cases import INTEGERS, ZEROS_SKIPPED, Gemm, Peak, Prediction, Training
from .estimator_cases import ESTIMATORS, Estimator
from .image_cases import COLOR_STEPS, CONVNET_STEPS, IMAGE_PREDICTIONS, LENET_CYCLE, LENET_EPOCH
from .table_cases import TABLES, Table

Case = Gemm | Peak | Training | Prediction | Estimator | Table


@dataclass(frozen=True)
class Workload:
    """Cases measured together. `peers` limits who takes part; `busy` keeps a core busy with another process."""

    name: str
    title: str
    cases: tuple[Case, ...]
    rounds: int
    peers: tuple[str, ...] | None = None
    busy: bool = False

    def quick(self) -> "Workload":
        """A rough look: few rounds of small cases."""
        cases = [
            replace(c, samples=max(c.samples // 10, c.batch)) if isinstance(c, Training) and not c.one_cycle else c
            for c in self.cases
            if is_small(c)
        ]
        return replace(self, cases=tuple(cases), rounds=2)


def is_small(case: Case) -> bool:
    if isinstance(case, Estimator | Table):
        return case.rough
    if isinstance(case, Training):
        return case.epochs * case.operations < 5e11
    return isinstance(case, Peak) or case.operations < 3e9


# ---- Matrix products ------------------------------------------------------------------------------------------------

SQUARES = (16, 32, 64, 128, 256, 512, 1024, 2048)

GEMM = Workload(
    "gemm",
    "Matrix product",
    (
        Peak(),
        *(Gemm(n, n, n) for n in SQUARES),
        Gemm(64, 64, 64, "NT"),
        Gemm(64, 64, 64, "TN"),
        Gemm(1024, 1024, 1024, "NT"),
        Gemm(1024, 1024, 1024, "TN"),
        # Layers of 784-64-10: forward for batches of 1 to 1,024, the gradient of the kernel, the way back.
        Gemm(1, 64, 784),
        Gemm(32, 64, 784),
        Gemm(128, 64, 784),
        Gemm(1024, 64, 784),
        Gemm(784, 64, 128, "TN"),
        Gemm(784, 64, 32, "TN"),
        Gemm(128, 10, 64),
        Gemm(64, 10, 128, "TN"),
        Gemm(128, 64, 10, "NT"),
        # A layer of 1,024 units for one sample, and layers of 2,048 units for 256.
        Gemm(1, 1024, 1024),
        Gemm(32, 1024, 1024),
        Gemm(256, 2048, 784),
        Gemm(256, 2048, 2048),
        Gemm(256, 2048, 2048, "NT"),
        Gemm(2048, 2048, 256, "TN"),
    ),
    rounds=7,
)
GEMM_LARGE = Workload(
    "gemm_large",
    "Matrix product, large and narrow",
    (
        Peak(),
        Gemm(4096, 4096, 4096),
        Gemm(41_000, 10, 784),
        Gemm(784, 10, 41_000, "TN"),
        Gemm(10, 784, 41_000),
        Gemm(10, 41_000, 784),
    ),
    rounds=4,
)

# ---- Training -------------------------------------------------------------------------------------------------------

MOMENTUM = Training(
    "784-64-10 sigmoid, momentum, batch 128",
    (784, 64, 10),
    batch=128,
    samples=60_000,
    hidden="sigmoid",
    optimizer="sgd",
    learning_rate=0.4,
    momentum=0.9,
    seeds=3,
    target=2.4,
)
ADAM = Training("784-64-64-10 ReLU, Adam, batch 32", (784, 64, 64, 10), batch=32, samples=60_000, seeds=3, target=2.5)
WIDE = Training(
    "784-2048-2048-10 ReLU, Adam, batch 256",
    (784, 2048, 2048, 10),
    batch=256,
    samples=2_560,
    test_samples=1_000,
    few_samples=512,
    target=1.15,
)
FULL_BATCH = Training(
    "784-10-10 ReLU, full batch of 41,000",
    (784, 10, 10),
    batch=41_000,
    samples=41_000,
    optimizer="sgd",
    learning_rate=0.1,
    shuffle=False,
    in_a_row=10,
    check_epochs=20,
    target=2.6,
)
ONE_SAMPLE = Training(
    "2-2-1 sigmoid, one sample a step",
    (2, 2, 1),
    batch=1,
    samples=40_000,
    few_samples=2_000,
    hidden="sigmoid",
    optimizer="sgd",
    learning_rate=0.5,
    data="xor",
    by_step=True,
    target=1.0,
)
SMALL_STEPS = tuple(
    Training(
        f"{'-'.join(map(str, sizes))} {hidden}, {'one sample' if batch == 1 else f'{batch} samples'} a step",
        sizes,
        batch=batch,
        samples=10_000 * batch,
        few_samples=500 * batch,
        hidden="sigmoid" if hidden == "sigmoid" else "relu",
        optimizer="sgd",
        learning_rate=0.05,
        data="xor" if sizes[0] == 2 else "random",
        by_step=batch == 1,
        target=1.0,
    )
    for sizes, hidden, batches in (
        ((2, 2, 1), "sigmoid", (4,)),
        ((4, 16, 16, 2), "ReLU", (1, 4)),
        ((8, 16, 2), "ReLU", (1, 4)),
    )
    for batch in batches
)
ONE_CYCLE = Training(
    "784-256-10 ReLU, Adam, one cycle to 0.009, batch 128",
    (784, 256, 10),
    batch=128,
    samples=60_000,
    learning_rate=0.009,
    one_cycle=True,
    epochs=3,
    target=1.8,
)

TEXT = Training(
    "20,000-64-10 ReLU, Adam, batch 128, texts as CSR",
    (20_000, 64, 10),
    batch=128,
    samples=6_400,
    data="text",
    test_samples=2_000,
    seeds=3,
    target=10,
)

# ---- The cost as the work grows -------------------------------------------------------------------------------------


def _random(name: str, sizes: tuple[int, ...], samples: int, batch: int = 128) -> Training:
    return Training(name, sizes, batch=batch, samples=samples, data="random", check_epochs=0)


BATCHES = tuple(
    _random(f"batch {b:,}", (784, 64, 10), min(16_384, 2_048 * b), b) for b in (1, 4, 16, 64, 256, 1024, 4096)
)
WIDTHS = tuple(
    _random(f"width {w:,}", (784, w, w, 10), max(256, 256 * (512 // w)), 128)
    for w in (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
)
DEPTHS = tuple(_random(f"depth {d}", (64, *[64] * d, 10), 16_384) for d in (1, 2, 4, 8, 16))
SAMPLES = tuple(_random(f"{n:,} samples", (8, 16, 2), n, 1000) for n in (1_000, 10_000, 100_000, 1_000_000, 10_000_000))
NARROW = tuple(_random(f"10-{w}-{w}-10", (10, w, w, 10), 12_800) for w in (32, 40, 44, 45, 46, 48, 56, 64))

# ---- Predictions ----------------------------------------------------------------------------------------------------

SMALL, LARGE = (784, 64, 64, 10), (784, 1024, 1024, 10)

WORKLOADS = {
    workload.name: workload
    for workload in (
        GEMM,
        GEMM_LARGE,
        Workload(
            "momentum",
            "An epoch of MNIST",
            (
                MOMENTUM,
                replace(MOMENTUM, form="uint8 pixels", target=None),
                replace(MOMENTUM, form=ZEROS_SKIPPED, target=3.0),
            ),
            rounds=7,
        ),
        Workload(
            "adam", "An epoch of MNIST in small steps", (ADAM, replace(ADAM, form=ZEROS_SKIPPED, target=3.2)), rounds=5
        ),
        Workload("wide", "Wide layers", (WIDE, replace(WIDE, form="bfloat16", target=1.0)), rounds=4),
        Workload("full_batch", "Full batch", (FULL_BATCH,), rounds=7),
        Workload("one_sample", "One sample a step", (ONE_SAMPLE,), rounds=7),
        Workload("small_steps", "Small steps", SMALL_STEPS, rounds=7),
        Workload(
            "one_cycle",
            "98% of MNIST's test images",
            (ONE_CYCLE, replace(ONE_CYCLE, form=ZEROS_SKIPPED, target=2.7)),
            rounds=5,
        ),
        Workload("text", "An epoch of sparse features", (TEXT,), rounds=5),
        Workload(
            "prediction",
            "Prediction",
            (
                Prediction((4, 16, 16, 2), 1, each_call=True, target=1.3),
                Prediction((40, 100, 100, 10), 1, each_call=True, target=1.5),
                Prediction(SMALL, 1, each_call=True, target=2.5),
                Prediction(SMALL, 16),
                Prediction(SMALL, 256, target=1.15),
                Prediction(SMALL, 10_000, target=1.15),
                Prediction(LARGE, 1, each_call=True, target=1.2),
                Prediction(LARGE, 16),
                Prediction(LARGE, 256, target=1.1),
                Prediction(LARGE, 10_000, target=1.05),
                *(
                    Prediction(sizes, batch, each_call=batch == 1, form=INTEGERS, target=1.0)
                    for sizes in (SMALL, LARGE)
                    for batch in (1, 16, 256, 10_000)
                ),
            ),
            rounds=5,
        ),
        Workload("lenet", "An epoch of MNIST's images", (LENET_EPOCH,), rounds=3),
        Workload("convnet", "Small images", (CONVNET_STEPS,), rounds=4),
        Workload("color", "Color images", (COLOR_STEPS,), rounds=4),
        Workload("lenet_cycle", "99% of MNIST's test images", (LENET_CYCLE,), rounds=6),
        Workload("image_prediction", "Prediction for images", IMAGE_PREDICTIONS, rounds=5),
        Workload("estimators", "Estimators", ESTIMATORS, rounds=3, peers=("fastnet", "sklearn")),
        Workload("as_read", "Data as people have them", TABLES, rounds=3, peers=("fastnet", "numpy")),
        Workload("batches", "Cost as the batch grows", BATCHES, rounds=5, peers=("fastnet",)),
        Workload("widths", "Cost as the layers grow", WIDTHS, rounds=3, peers=("fastnet",)),
        Workload("depths", "Cost as the network grows", DEPTHS, rounds=5, peers=("fastnet",)),
        Workload("samples", "Cost as the data grow", SAMPLES, rounds=3, peers=("fastnet",)),
        Workload("narrow", "Narrow layers", NARROW, rounds=5, peers=("fastnet", "torch")),
        Workload(
            "narrow_busy",
            "Narrow layers beside a busy process",
            NARROW,
            rounds=5,
            peers=("fastnet", "torch"),
            busy=True,
        ),
    )
}
