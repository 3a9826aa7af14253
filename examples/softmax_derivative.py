"""The derivative of softmax, in words, in numbers, and in a network that learns with it.

usage: python examples/softmax_derivative.py

A notebook builds a network for MNIST, gets as far as its last layer and ends there: its author cannot find out how to apply
the derivative of softmax to every element of a vector. It has no accuracy. This is what was missing.

Softmax makes of n numbers z the probabilities p_i = exp(z_i) / sum_k exp(z_k). Each p depends on every z, so its derivative is
no vector but a table, the Jacobian. Of the numerator and the sum,

    dp_i / dz_j = p_i (1 - p_i)  where i = j,  and  -p_i p_j  elsewhere.

The gradient g of a loss by p becomes that by z through the table: sum_i g_i dp_i / dz_j = p_j (g_j - sum_i g_i p_i). No table
has to be built: `softmax_backward` computes this form. For the mean squared error of the notebook g is 2 (p - y) / n. For the
cross-entropy, g = -y / p, nearly everything cancels, and what is left is p - y.
"""

import time

import numpy as np

import fastnet as fn
from fastnet.datasets import mnist
from fastnet.functional import categorical_crossentropy_backward, mse_backward, softmax_backward

z = np.array([[2.0, -1.0, 0.5]])
y = np.array([[0.0, 1.0, 0.0]])
p = fn.softmax(z)

jacobian = np.diag(p[0]) - np.outer(p[0], p[0])
step = 1e-6
slopes = [(fn.softmax(z + step * e) - fn.softmax(z - step * e))[0] / (2 * step) for e in np.eye(3)]
print(f"the Jacobian against slopes: {np.abs(jacobian - slopes).max():.1e} apart")

g = mse_backward(y, p)
print(f"through the Jacobian:     {g[0] @ jacobian}")
print(f"through softmax_backward: {softmax_backward(g, p)[0]}")
print(f"after cross-entropy:      {softmax_backward(categorical_crossentropy_backward(y, p), p)[0]}")
print(f"p - y:                    {(p - y)[0]}")

# The notebook's network, 784-10-10, with its loss: softmax under the mean squared error.
(x, labels), (x_test, labels_test) = mnist.load_data()
layers = [fn.Rescaling(1 / 255, input_shape=(784,)), fn.Dense(10, "relu"), fn.Dense(10, "softmax")]
model = fn.Sequential(layers, seed=0)
model.compile("adam", loss="mse", metrics=["accuracy"])
started = time.perf_counter()
model.fit(x.reshape(-1, 784), fn.utils.to_categorical(labels), epochs=5, batch_size=128, verbose=0)
seconds = time.perf_counter() - started
test = model.evaluate(x_test.reshape(-1, 784), fn.utils.to_categorical(labels_test), verbose=0, return_dict=True)
print(f"test images: {test['accuracy']:.2%} after {seconds:.1f} s (the notebook: none)")
