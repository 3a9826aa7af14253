"""The compiled core: thin bindings, no logic. Arrays may have any strides unless a line says otherwise."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__version__: str

# "isa", "available_isas", "bfloat16" ("native" or "emulated"), "amx" ("absent", "unused", "used" or "refused"),
# "num_threads", "num_threads_source", "compiler", "openmp"
def build_config() -> dict[str, Any]: ...
def get_num_threads() -> int: ...

# The same, cached for a second, because reading it takes 50 us.
def recent_num_threads() -> int: ...
def set_num_threads(n: int) -> None: ...

# Whether a team is currently avoided because it is slower than one thread, as with more threads than processors.
def rest_teams(may_rest: bool) -> None: ...

# The barriers at which teams of threads have met, modulo 2**32.
def team_barriers() -> int: ...

# From now on, this thread computes as training does, which treats subnormal numbers as zero.
def flush_subnormals() -> None: ...

# How an epoch chooses between a team and one thread, for tests: begin, then for each segment threads and record.
class Pace:
    def __init__(self) -> None: ...
    def begin(self, rows: int, threads: int) -> None: ...
    def threads(self, most: int) -> int: ...
    def record(self, steps: int, seconds: float) -> None: ...

# The number of processors allowed by the cgroup quotas in the files below root ("" for this process); 0 without any.
def cgroup_quota(root: str) -> int: ...

# a, b and out are 2-D, and all float32 or all float64; out may share memory with a and b. beta needs an out.
# With bfloat16 they are float32, and a and b are rounded to bfloat16 before they are multiplied.
def gemm(
    a: NDArray[Any],
    b: NDArray[Any],
    transpose_a: bool,
    transpose_b: bool,
    alpha: float,
    beta: float,
    out: NDArray[Any] | None,
    bfloat16: bool = False,
) -> NDArray[Any]: ...

# float32 or float64, any shape; rows are the last axis. Gradients are computed from the activation's output.
def activation_names() -> list[str]: ...
def activation(name: str, x: NDArray[Any], alpha: float) -> NDArray[Any]: ...
def activation_backward(name: str, grad_output: NDArray[Any], kept: NDArray[Any], alpha: float) -> NDArray[Any]: ...

# y_true and y_pred are 2-D, not empty, of one shape and dtype. `loss` is that of each row, `loss_backward` the gradient of
# their mean. The parameters are the label smoothing and three per-loss settings.
def loss_names() -> list[str]: ...
def loss(
    name: str, y_true: NDArray[Any], y_pred: NDArray[Any], parameters: list[float] = ..., from_logits: bool = False
) -> NDArray[np.float64]: ...
def loss_backward(
    name: str, y_true: NDArray[Any], y_pred: NDArray[Any], parameters: list[float] = ..., from_logits: bool = False
) -> NDArray[Any]: ...
def optimizer_names() -> list[str]: ...

# XXH64 of the bytes so far: any contiguous buffers.
class Checksum:
    def __init__(self) -> None: ...
    def update(self, data: Any) -> None: ...
    def hexdigest(self) -> str: ...

# The index of the first row of a 1-D or 2-D array of float32 or float64 with a NaN or an infinity, else -1. With
# as_float32 a float64 that float32 cannot hold counts as an infinity.
def first_nonfinite_row(x: NDArray[Any], as_float32: bool) -> int: ...

# Writes a 2-D array of real numbers of up to 8 bytes, in any layout and byte order, to a contiguous one of the same shape:
# of its own dtype, float32 or float64, or uint8 from integers. Returns -1, or a row that does not fit, after which out
# means nothing: some row with an integer outside of 0..255 or, with must_be_finite, the first row with a number that is
# not finite in out's dtype.
def repack(x: NDArray[Any], out: NDArray[Any], must_be_finite: bool) -> int: ...

# The same for separate columns of one dtype, size and stride instead of x.
def repack_columns(columns: Sequence[NDArray[Any]], out: NDArray[Any], must_be_finite: bool) -> int: ...

# The index of the first row of a 2-D array of floats or integers with a value outside of [lowest, highest], NaN included,
# else -1. With ends, values between the two are outside as well. With a tolerance of at least 0 a row whose sum differs
# from 1 by more than that counts, too.
def first_row_outside(
    y: NDArray[Any], lowest: float, highest: float, ends: bool = False, tolerance: float = -1.0
) -> int: ...

# A mutex. Ctrl-C interrupts waiting for it. In a forked child it is free unless the forking thread holds it. It is not
# recursive.
class Lock:
    def __init__(self) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(self, *error: object) -> None: ...

# Rows of a sparse matrix (CSR): data of float32, float64 or integers, indices of int32 or int64, indptr of int64. Slices
# with step 1 share the memory. A network reads them if they are canonical: the columns of every row ascend.
# Values, columns and starts of what is not zero, in rows of float32 or float64; None if there are more than `most`.
def nonzeros(x: NDArray[Any], most: int) -> tuple[NDArray[Any], NDArray[np.int32], NDArray[np.int64]] | None: ...

class SparseRows:
    def __init__(self, data: NDArray[Any], indices: NDArray[Any], indptr: NDArray[Any], columns: int) -> None: ...
    def __len__(self) -> int: ...
    def __getitem__(self, rows: slice) -> SparseRows: ...
    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def canonical(self) -> bool: ...
    # Values, columns and a copy of the starts, of all rows of the matrix.
    @property
    def arrays(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.int64]]: ...
    def first_nonfinite_row(self, as_float32: bool) -> int: ...

class _Network:
    # Layers are described in their order as one of
    #   {"type": "dense", "units": 64, "use_bias": True, "activation": "relu", "alpha": 0.0, "bfloat16": False}, the last to
    #    be True in Network32 alone
    #   {"type": "activation", "activation": "leaky_relu", "alpha": 0.3}
    #   {"type": "rescaling", "scale": 1 / 255, "offset": 0.0}
    #   {"type": "normalization", "epsilon": 1e-7}
    #   {"type": "dropout", "rate": 0.5, "seed": 1}
    #   {"type": "gaussian_noise", "deviation": 0.1, "seed": 1}
    #   {"type": "prelu"}
    #   {"type": "batch_normalization", "momentum": 0.99, "epsilon": 1e-3, "use_gamma": True, "use_beta": True}
    #   {"type": "layer_normalization", "epsilon": 1e-3, "use_gamma": True, "use_beta": True}
    #   {"type": "residual_begin"} and, behind the layers inside, {"type": "residual_end"}
    #   {"type": "quantized_dense", "use_bias": True, "activation": "relu", "alpha": 0.0, "kernel": int8 of shape (inputs,
    #    units), "kernel_scale": float32 of shape (units,), "input_scale": 0.1, "zero_point": 128}, in Network32, which then
    #    predicts but cannot be trained
    # each of them with "trainable": False if training is to leave it as it is. Other keys are refused.
    def __init__(self, input_size: int, layers: Sequence[Mapping[str, Any]]) -> None: ...
    @property
    def input_size(self) -> int: ...
    @property
    def output_size(self) -> int: ...
    # Index of the layer's description, "kernel" or "bias", offset in the flat parameters, shape.
    @property
    def parameter_slots(self) -> list[tuple[int, str, int, tuple[int, ...], bool]]: ...
    # The kernels of quantized layers by the indices of their descriptions, copies.
    def quantized_kernels(self) -> dict[int, NDArray[np.int8]]: ...
    def update_layers(self, layers: list[dict[str, Any]]) -> None: ...
    # Offset, size, l1 and l2 of each; with `divided`, divided like the losses of a batch, by its rows or their weights.
    def set_penalties(self, penalties: list[tuple[int, int, float, float]], divided: bool = False) -> None: ...
    # The parameters themselves, not a copy; the array keeps them alive. Writing while another thread trains or predicts
    # leads to a mixture of old and new numbers there.
    @property
    def values(self) -> NDArray[Any]: ...
    # Parameters and optimizer state are flat, of the network's dtype; the results are copies.
    def get_parameters(self) -> NDArray[Any]: ...
    def set_parameters(self, values: NDArray[Any], offset: int = 0) -> None: ...
    # Arrays with their offsets, written atomically for other threads; if one does not fit, nothing is written.
    def set_pieces(self, pieces: list[tuple[int, NDArray[Any]]]) -> None: ...
    # metric is "", "categorical_accuracy" or "binary_accuracy"; hyperparameters are exactly those of the optimizer:
    #   sgd: learning_rate, momentum, dampening, nesterov (0 or 1), weight_decay
    #   rmsprop: learning_rate, rho, momentum, epsilon
    #   adam: learning_rate, beta_1, beta_2, epsilon
    # The optimizer state is reset.
    def compile(
        self,
        loss: str,
        metric: str,
        optimizer: str,
        hyperparameters: dict[str, float],
        loss_parameters: list[float] = ...,
        from_logits: bool = False,
        reduction: str = "sum_over_batch_size",
        options: dict[str, Any] = ...,
    ) -> None: ...
    # The seeds of the layers that draw random numbers, in their order.
    def get_seeds(self) -> list[int]: ...
    def set_seeds(self, seeds: list[int]) -> None: ...
    def use_average(self) -> None: ...
    # Steps since compile, continued from the step given to set_optimizer_state.
    @property
    def finished_steps(self) -> int: ...
    def get_optimizer_state(self) -> tuple[int, NDArray[Any]]: ...
    def set_optimizer_state(self, step: int, state: NDArray[Any]) -> None: ...
    # A snapshot of everything that changes in training: parameters, finished steps, optimizer state, seeds.
    def get_state(self) -> tuple[NDArray[Any], int, NDArray[Any], list[int]]: ...
    def set_state(self, values: NDArray[Any], steps: int, state: NDArray[Any], seeds: list[int]) -> None: ...
    # How the first layer reads x: "automatic", by the fraction of zeros, "dense" or, if possible, "compressed". The
    # results are bitwise the same while the weights are finite. For tests and benchmarks.
    def set_input_form(self, form: str) -> None: ...
    # x is (n, input_size) of float32, float64 or integers, or SparseRows, read row by row. y is (n,) labels of int64, or
    # (n, output_size) of float32, float64 or integers. order holds the row indices of this epoch, None means 0..n-1.
    # progress(steps_done, steps_total, mean_loss, mean_metric) is called every `interval` seconds, at least 2 ms.
    # Returning False stops the epoch. An exception from it stops the epoch after the current step and propagates. So
    # does an exception from a signal handler, which also aborts a long step.
    # hook(first, outputs) is called with the outputs of every batch, for the samples first, first + 1, ... of the
    # order.
    # With the loss "custom" it returns the loss and its gradient with respect to the outputs, and batches are computed
    # layer by layer. An exception in it ends the epoch before the batch changes a weight.
    # learning_rate is one for all steps or one for each; None means the one of compile.
    # Returns the number of finished steps, the means over the samples (the metric is NaN without one), the first step
    # whose loss was not finite, or -1, and the sums of loss and metric.
    # done = (steps, loss_sum, metric_sum, first_nonfinite) continues in the same order after these steps; end stops
    # before that step. The results of an epoch are bitwise the same, however it is split.
    # sharding = (shards, first, last, exchange): every batch is cut into shards, part k being its rows
    # n * k // shards to n * (k + 1) // shards, of which this process computes first to last - 1. After that it calls
    # exchange(sums, figures) once a step. `sums` has a row for each of the largest aligned blocks of shards that lie in
    # the range, block i of level l being the shards i * 2**l to (i + 1) * 2**l: the gradients of the parameters and
    # then the changes of the statistics. The first row must become the sum of all shards, added up as a binary tree of
    # these blocks. `figures` has the loss and the metric of every sample of the batch and must be filled in for all. A
    # return value of False ends the epoch after the step, an exception before it. Without an exchange, this process
    # computes all shards, with the same bits.
    # early = (begin, least): while other gradients are computed, begin(sums, first, last) is called with parameters
    # first to last - 1 whose sums are complete, `least` of them or a few less. A step has the same ranges, in ascending
    # order, in all processes. `exchange` follows and must take care of the others; it finds these in `sums`, too.
    def train_epoch(
        self,
        x: NDArray[Any] | SparseRows,
        y: NDArray[Any],
        order: NDArray[np.int64] | None,
        batch_size: int,
        sample_weight: NDArray[Any] | None,
        progress: Callable[[int, int, float, float], object] | None,
        learning_rate: float | NDArray[np.float64] | None = None,
        interval: float = 0.05,
        hook: Callable[[int, NDArray[Any]], tuple[float, NDArray[Any]] | None] | None = None,
        done: tuple[int, float, float, int] | None = None,
        end: int | None = None,
        sharding: tuple[int, int, int, Callable[[NDArray[Any], NDArray[np.float64]], bool] | None] | None = None,
        window: tuple[int, int] | None = None,
        early: tuple[Callable[[NDArray[Any], int, int], object], int] | None = None,
    ) -> tuple[int, float, float, int, tuple[float, float]]: ...
    def loss_and_gradients(
        self,
        x: NDArray[Any] | SparseRows,
        y: NDArray[Any],
        sample_weight: NDArray[Any] | None,
        hook: Callable[[int, NDArray[Any]], tuple[float, NDArray[Any]] | None] | None = None,
    ) -> tuple[float, NDArray[Any]]: ...
    # part: the first and the last row (excluded) to evaluate, and a function that fills in the losses and metrics of the
    # others, in an array of shape (2, n).
    def evaluate(
        self,
        x: NDArray[Any] | SparseRows,
        y: NDArray[Any],
        batch_size: int,
        sample_weight: NDArray[Any] | None,
        part: tuple[int, int, Callable[[NDArray[np.float64]], None]] | None = None,
    ) -> tuple[float, float]: ...
    def predict(self, x: NDArray[Any] | SparseRows, batch_size: int) -> NDArray[Any]: ...
    # The derivatives with respect to the inputs of "outputs", (n, output_size, input_size), or of "loss" or
    # "weighted_outputs" (the sum of the outputs times y), (n, input_size). Layers act as in predict.
    def differentiate(
        self,
        x: NDArray[Any] | SparseRows,
        of: str,
        y: NDArray[Any] | None = None,
        sample_weight: NDArray[Any] | None = None,
    ) -> NDArray[Any]: ...
    def predict_rows(self, x: Any, batch_size: int, /) -> NDArray[Any] | None: ...

class Network32(_Network): ...
class Network64(_Network): ...
