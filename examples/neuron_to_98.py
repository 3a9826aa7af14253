"""From a single neuron to 98%: the steps of a lecture, each with what it reaches there and here.

usage: python examples/neuron_to_98.py

The lecture's last program draws 64 hidden units, batches of 128, and moving averages of the gradients with beta 0.9 and steps
of 4: 98% of the test images in 9 epochs, to two digits. `V = beta * V + (1 - beta) * g` is ``SGD(4, momentum=0.9,
dampening=0.9)``, which takes the same steps as ``SGD(0.4, momentum=0.9)``. Its batches end one sample too early, and its
confusion matrix has rows and columns exchanged; here they are right.
"""

import time

import numpy as np

import fastnet as fn
from fastnet.datasets import mnist

# --- A neuron with weights 0 and 1, bias 4 and input (2, 3): the lecture prints 0.9990889488055994 ---
neuron = fn.Sequential([fn.Dense(1, "sigmoid", input_shape=(2,))], dtype="float64")
neuron.set_weights([[[0.0], [1.0]], [4.0]])
print(f"a neuron: {neuron.predict([[2.0, 3.0]])[0, 0]:.6f}")

# --- Two, two and one: weight and height, less 135 lb and 66 in, tell women from men ---
people = np.array([[-2.0, -1.0], [25.0, 6.0], [17.0, 4.0], [-15.0, -6.0]])
is_female = np.array([1.0, 0.0, 0.0, 1.0])
network = fn.Sequential([fn.Dense(2, "sigmoid", input_shape=(2,)), fn.Dense(1, "sigmoid")], seed=1, dtype="float64")
network.compile(fn.optimizers.SGD(0.1), "mse")
network.fit(people, is_female, batch_size=1, epochs=1000, shuffle=False, verbose=0)
emily, frank = network.predict([[-7.0, -3.0], [20.0, 2.0]])[:, 0]
print(f"2-2-1: Emily {emily:.3f}, Frank {frank:.3f} (the lecture: 0.951 and 0.039)")

# --- MNIST, 784-64-10 ---
(x, y), (x_test, y_test) = mnist.load_data()
x, x_test = x.reshape(-1, 784), x_test.reshape(-1, 784)
model = fn.Sequential(
    [
        fn.Rescaling(1 / 255, input_shape=(784,)),
        fn.Dense(64, "sigmoid", kernel_initializer=fn.initializers.RandomNormal(stddev=784**-0.5)),
        fn.Dense(10, "softmax", kernel_initializer=fn.initializers.RandomNormal(stddev=64**-0.5)),
    ],
    seed=138,
)
momentum = fn.optimizers.SGD(4.0, momentum=0.9, dampening=0.9)
model.compile(momentum, "sparse_categorical_crossentropy", metrics=["accuracy"])
started = time.perf_counter()
model.fit(x, y, batch_size=128, epochs=9, verbose=0)
seconds = time.perf_counter() - started
predictions = model.predict(x_test).argmax(axis=1)
print(
    f"784-64-10: {np.mean(predictions == y_test):.2%} of the test images, 9 epochs in {seconds:.1f} s (the lecture: 98%)"
)
print(fn.metrics.confusion_matrix(y_test, predictions))
