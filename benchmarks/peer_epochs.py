"""One peer of the comparison, in a process of its own: trains 784-64-10 on MNIST, an epoch for every line it reads.

usage: peer_epochs.py {fastnet,numpy} THREADS

The recipe is that of docs: sigmoid, softmax with cross-entropy, batch 128, SGD(4.0, momentum 0.9, dampening 0.9), float32,
weights normal with variance 1 / fan_in. All peers start from the same weights and take the samples in the same order. A
line in starts an epoch; a line out holds its seconds, and after "accuracy" the share of right answers on the test images.
"""

import os
import sys
import time

import numpy as np

UNITS, CLASSES, BATCH, RATE, MOMENTUM = 64, 10, 128, 4.0, 0.9


def mnist():
    from fastnet.datasets import mnist as source

    (x, y), (x_test, y_test) = source.load_data()
    scaled = [images.reshape(len(images), -1).astype(np.float32) / np.float32(255) for images in (x, x_test)]
    return scaled[0], y.astype(np.int64), scaled[1], y_test.astype(np.int64)


def initial_weights(inputs):
    rng = np.random.default_rng(0)
    shapes = [(inputs, UNITS), (UNITS,), (UNITS, CLASSES), (CLASSES,)]
    return [
        (rng.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)
        if len(shape) == 2
        else np.zeros(shape, np.float32)
        for shape in shapes
    ]


class NumPyPeer:
    """The training loop as well as NumPy can do it: float32, one flat parameter vector, every array made beforehand."""

    def __init__(self, x, y):
        self.x = x
        self.one_hot = np.eye(CLASSES, dtype=np.float32)[y]
        initial = initial_weights(x.shape[1])
        self.parameters = np.concatenate([w.ravel() for w in initial])
        self.gradients = np.zeros_like(self.parameters)
        self.velocity = np.zeros_like(self.parameters)
        self.scratch = np.empty_like(self.parameters)
        self.weights, self.weight_gradients = (
            self._views(self.parameters, initial),
            self._views(self.gradients, initial),
        )
        self.batch_x, self.batch_y = np.empty((BATCH, x.shape[1]), np.float32), np.empty((BATCH, CLASSES), np.float32)
        self.hidden, self.hidden_gradient = np.empty((BATCH, UNITS), np.float32), np.empty((BATCH, UNITS), np.float32)
        self.output = np.empty((BATCH, CLASSES), np.float32)
        self.row = np.empty((BATCH, 1), np.float32)

    @staticmethod
    def _views(flat, shapes):
        ends = np.cumsum([w.size for w in shapes])
        return [flat[end - w.size : end].reshape(w.shape) for w, end in zip(shapes, ends, strict=True)]

    def forward(self, x, hidden, output, row):
        w1, b1, w2, b2 = self.weights
        np.matmul(x, w1, out=hidden)
        hidden += b1
        np.negative(hidden, out=hidden)
        np.exp(hidden, out=hidden)
        hidden += 1
        np.reciprocal(hidden, out=hidden)
        np.matmul(hidden, w2, out=output)
        output += b2
        np.max(output, axis=1, keepdims=True, out=row)
        output -= row
        np.exp(output, out=output)
        np.sum(output, axis=1, keepdims=True, out=row)
        output /= row

    def step(self, indices):
        n = len(indices)
        x, y, hidden, slope = self.batch_x[:n], self.batch_y[:n], self.hidden[:n], self.hidden_gradient[:n]
        output, row = self.output[:n], self.row[:n]
        np.take(self.x, indices, axis=0, out=x, mode="clip")
        np.take(self.one_hot, indices, axis=0, out=y, mode="clip")
        self.forward(x, hidden, output, row)
        output -= y
        output *= np.float32(1 / n)
        dw1, db1, dw2, db2 = self.weight_gradients
        np.matmul(hidden.T, output, out=dw2)
        np.sum(output, axis=0, out=db2)
        np.matmul(output, self.weights[2].T, out=slope)
        slope *= hidden
        np.subtract(1, hidden, out=hidden)
        slope *= hidden
        np.matmul(x.T, slope, out=dw1)
        np.sum(slope, axis=0, out=db1)
        self.velocity *= np.float32(MOMENTUM)
        self.gradients *= np.float32(1 - MOMENTUM)
        self.velocity += self.gradients
        np.multiply(self.velocity, np.float32(RATE), out=self.scratch)
        self.parameters -= self.scratch

    def epoch(self, order):
        for begin in range(0, len(order), BATCH):
            self.step(order[begin : begin + BATCH])

    def accuracy(self, x, y):
        n = len(x)
        output = np.empty((n, CLASSES), np.float32)
        self.forward(x, np.empty((n, UNITS), np.float32), output, np.empty((n, 1), np.float32))
        return float((output.argmax(axis=1) == y).mean())


class FastnetPeer:
    """The same through fastnet's public interface."""

    def __init__(self, x, y):
        import fastnet as fn

        fn.set_num_threads(int(sys.argv[2]))
        self.x, self.y = x, y
        self.model = fn.Sequential(
            [fn.Dense(UNITS, activation="sigmoid", input_shape=(x.shape[1],)), fn.Dense(CLASSES, activation="softmax")],
            seed=0,
        )
        optimizer = fn.optimizers.SGD(RATE, momentum=MOMENTUM, dampening=MOMENTUM)
        self.model.compile(optimizer, "sparse_categorical_crossentropy")
        self.model.set_weights(initial_weights(x.shape[1]))

    def epoch(self, order):
        # The model shuffles by itself: a permutation of its own, as much work as the one given here.
        del order
        self.model.fit(self.x, self.y, batch_size=BATCH, epochs=1, verbose=0)

    def accuracy(self, x, y):
        return float((self.model.predict(x).argmax(axis=1) == y).mean())


def main():
    x, y, x_test, y_test = mnist()
    peer = {"fastnet": FastnetPeer, "numpy": NumPyPeer}[sys.argv[1]](x, y)
    rng = np.random.default_rng(1)
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() == "accuracy":
            print(peer.accuracy(x_test, y_test), flush=True)
            continue
        start = time.perf_counter()
        peer.epoch(rng.permutation(len(x)))
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", sys.argv[2])
    main()
