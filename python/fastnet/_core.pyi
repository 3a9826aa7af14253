"""The compiled core: thin bindings, no logic. Arrays may have any strides unless a line says otherwise."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = np.float32 | np.float64

__version__: str

def build_config() -> dict[str, Any]: ...          # {"isa","available_isas","compiler","openmp", "cpu", ...}
def get_num_threads() -> int: ...
def set_num_threads(n: int) -> None: ...           # ValueError for n < 1

# a, b, out: 2-D, all float32 or all float64 (TypeError/ValueError otherwise)
def gemm(a: NDArray[Any], b: NDArray[Any], transpose_a: bool, transpose_b: bool,
         alpha: float, beta: float, out: NDArray[Any] | None) -> NDArray[Any]: ...

def activation_names() -> list[str]: ...           # ["linear", "relu", "leaky_relu", "sigmoid", "tanh", "softmax"]
def activation(name: str, x: NDArray[Any], alpha: float) -> NDArray[Any]: ...
def activation_backward(name: str, grad_output: NDArray[Any], output: NDArray[Any], alpha: float) -> NDArray[Any]: ...
    # every activation's gradient is computed from its OUTPUT (relu, leaky_relu, sigmoid, tanh, softmax, linear)

def loss_names() -> list[str]: ...                 # ["mse", "binary_crossentropy", "categorical_crossentropy"]
def loss(name: str, y_true: NDArray[Any], y_pred: NDArray[Any]) -> float: ...            # both 2-D (n, k), same dtype; mean over rows
def loss_backward(name: str, y_true: NDArray[Any], y_pred: NDArray[Any]) -> NDArray[Any]: ...  # d(mean loss)/d(y_pred)
def optimizer_names() -> list[str]: ...            # ["sgd", "adam", "rmsprop"]

def first_nonfinite_row(x: NDArray[Any]) -> int: ...  # index of the first row with a NaN or an infinity, else -1 (float32/float64, 1-D or 2-D)

class Network32:   # and Network64, the same with float64
    def __init__(self, input_size: int, layers: Sequence[Mapping[str, Any]]) -> None: ...
        # layer descriptions, in order:
        #   {"type": "dense", "units": 64, "use_bias": True, "activation": "relu", "alpha": 0.0}
        #   {"type": "activation", "activation": "leaky_relu", "alpha": 0.3}
        #   {"type": "rescaling", "scale": 1/255, "offset": 0.0}
    @property
    def input_size(self) -> int: ...
    @property
    def output_size(self) -> int: ...
    @property
    def parameter_slots(self) -> list[tuple[int, str, int, tuple[int, ...]]]: ...   # (layer index, "kernel"/"bias", offset, shape)
    def get_parameters(self) -> NDArray[Any]: ...                       # copy, flat 1-D
    def set_parameters(self, values: NDArray[Any], offset: int = 0) -> None: ...  # contiguous 1-D of the network's dtype
    def compile(self, loss: str, metric: str, optimizer: str, hyperparameters: Mapping[str, float]) -> None: ...
        # metric: "" | "categorical_accuracy" | "binary_accuracy". Resets the optimizer state.
        # sgd: learning_rate, momentum, dampening, nesterov (0/1), weight_decay
        # adam: learning_rate, beta_1, beta_2, epsilon ; rmsprop: learning_rate, rho, momentum, epsilon, centered(0/1 -> only 0 accepted)
        # Optimizer state update counts live in the core.
    def set_learning_rate(self, value: float) -> None: ...
    def get_optimizer_state(self) -> tuple[int, NDArray[Any]]: ...      # (finished steps, flat state)
    def set_optimizer_state(self, step: int, state: NDArray[Any]) -> None: ...
    # x: 2-D (n, input_size), uint8, float32 or float64, ANY strides, read row by row, never copied as a whole.
    # y: 1-D int64 class labels (expanded to one-hot rows on the fly), or 2-D (n, output_size) uint8/float32/float64.
    # order: 1-D int64 row indices of this epoch, or None for 0..n-1. The last short batch is included.
    # progress(steps_done, steps_total, mean_loss, mean_metric) is called with the GIL at most every 0.1 s;
    #   what it raises (KeyboardInterrupt too, and Ctrl-C itself) stops the epoch after the step in progress and propagates.
    # returns (steps_done, mean_loss, mean_metric): running means over samples (metric NaN when there is none).
    def train_epoch(self, x: NDArray[Any], y: NDArray[Any], order: NDArray[np.int64] | None, batch_size: int,
                    sample_weight: NDArray[Any] | None, progress: Callable[[int, int, float, float], None] | None) -> tuple[int, float, float]: ...
    def loss_and_gradients(self, x: NDArray[Any], y: NDArray[Any], sample_weight: NDArray[Any] | None) -> tuple[float, NDArray[Any]]: ...
    def evaluate(self, x: NDArray[Any], y: NDArray[Any], batch_size: int, sample_weight: NDArray[Any] | None) -> tuple[float, float]: ...
    def predict(self, x: NDArray[Any], batch_size: int) -> NDArray[Any]: ...   # (n, output_size), the network's dtype

# Numerics fixed by the lead (added later):
# categorical_crossentropy from probabilities follows Keras: y_pred is divided by its row sum, clipped to [1e-7, 1 - 1e-7],
#   loss = -sum(t * log(p)); its gradient is the true one (through the division; zero where clipped).
#   After softmax the network uses the fused form from the logits: loss = sum(t) * logsumexp(z) - sum(t z), dz = sum(t) softmax(z) - t.
# binary_crossentropy clips to [1e-7, 1 - 1e-7], mean over units; after sigmoid the fused form from the logits.
# SGD: g += weight_decay * w; v = momentum * v + (1 - dampening) * g (v starts at 0); w -= lr * v,
#   nesterov: w -= lr * ((1 - dampening) * g + momentum * v).
