"""TensorFlow: functions of the network compiled to graphs by `tf.function`, Adam in one operation. Images alone."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from ..data import Samples, Weights, learning_rates, scaled
from ..image_cases import Convolution, Dropout, Flatten, ImagePrediction, ImageTraining, Network, Pooling
from . import base

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import tensorflow as tf

Array = np.ndarray


def logits(network: Network, weights: Any, x: tf.Tensor, training: bool = False) -> tf.Tensor:
    remaining = list(weights)
    for layer, shape in network.stages():
        if isinstance(layer, Pooling):
            x = tf.nn.max_pool2d(x, layer.size, layer.size, "VALID")
        elif isinstance(layer, Flatten):
            x = tf.reshape(x, (-1, int(np.prod(shape))))
        elif isinstance(layer, Dropout):
            x = tf.nn.dropout(x, layer.rate) if training else x
        else:
            kernel, bias, *remaining = remaining
            if isinstance(layer, Convolution):
                x = tf.nn.conv2d(x, kernel, 1, "SAME" if layer.same else "VALID")
            else:
                x = x @ kernel
            x = tf.nn.bias_add(x, bias)
            x = tf.nn.relu(x) if remaining else x
    return x


class Trainer(base.Trainer):
    def __init__(self, case: ImageTraining, data: Samples) -> None:
        if case.one_cycle:  # minutes; PyTorch shows the recipe
            raise NotImplementedError
        self.case, self.rng = case, np.random.default_rng(0)
        self.x, self.y = tf.constant(scaled(data.x)), tf.constant(data.y)
        self.rate = float(learning_rates(case, 1)[0])
        self.variables: list[tf.Variable] = []
        self.step = tf.function(self.make_step, reduce_retracing=False)

    def reset(self, weights: Weights) -> None:
        if not self.variables:
            self.variables = [tf.Variable(weight) for weight in weights]
            self.first = [tf.Variable(tf.zeros_like(weight)) for weight in weights]
            self.second = [tf.Variable(tf.zeros_like(weight)) for weight in weights]
            self.powers = [tf.Variable(0.9), tf.Variable(0.999)]
        for variable, weight, *averages in zip(self.variables, weights, self.first, self.second, strict=True):
            variable.assign(weight)
            for average in averages:
                average.assign(tf.zeros_like(weight))
        self.powers[0].assign(0.9)
        self.powers[1].assign(0.999)

    def make_step(self, indices: tf.Tensor) -> None:
        """A step on the samples of these numbers."""
        x, y = tf.gather(self.x, indices), tf.gather(self.y, indices)
        with tf.GradientTape() as tape:
            z = logits(self.case.network, self.variables, x, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, z))
        gradients = tape.gradient(loss, self.variables)
        first_power, second_power = self.powers
        for variable, first, second, gradient in zip(self.variables, self.first, self.second, gradients, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=first.handle,
                v=second.handle,
                beta1_power=first_power,
                beta2_power=second_power,
                lr=self.rate,
                beta1=0.9,
                beta2=0.999,
                epsilon=1e-8,
                grad=gradient,
            )
        first_power.assign(first_power * 0.9)
        second_power.assign(second_power * 0.999)

    def epoch(self, shuffle: bool) -> None:
        order = np.arange(len(self.x), dtype=np.int32)
        if shuffle:
            self.rng.shuffle(order)
        for begin in range(0, len(order), self.case.batch):
            self.step(tf.constant(order[begin : begin + self.case.batch]))
        self.powers[0].numpy()  # waits for the last step

    def weights(self) -> Weights:
        return [variable.numpy() for variable in self.variables]


def probabilities(network: Network, weights: Weights, batch: int) -> tf.types.experimental.ConcreteFunction:
    """Return the network with constant weights as a function of so many images."""
    constants = [tf.constant(weight) for weight in weights]

    @tf.function(input_signature=[tf.TensorSpec((batch, *network.shape), tf.float32)])
    def predict(x: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(logits(network, constants, x))

    return predict.get_concrete_function()


def lite(network: Network, weights: Weights) -> bytes:
    """Return the network for one image in LiteRT's format."""
    function = probabilities(network, weights, 1)
    return tf.lite.TFLiteConverter.from_concrete_functions([function], function).convert()


class Library(base.Library):
    statement = "import tensorflow"
    compiles = True

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)

    def version(self) -> str:
        return f"TensorFlow {tf.__version__}"

    def image_trainer(self, case: ImageTraining, data: Samples) -> Trainer:
        return Trainer(case, data)

    def image_predictor(self, case: ImagePrediction, weights: Weights, x: Array) -> Callable[[], tf.Tensor]:
        run, images = probabilities(case.network, weights, len(x)), tf.constant(x)
        return lambda: run(images)
