"""The solver 'lbfgs': scipy's L-BFGS-B on the loss and the gradient that the core computes."""

from typing import TYPE_CHECKING

import scipy.optimize
from sklearn.utils.optimize import _check_optimize_result

from fastnet.sklearn._network import Array, LiveNetwork
from fastnet.sklearn._stochastic import Training

if TYPE_CHECKING:
    from fastnet.sklearn._base import BaseMultilayerPerceptron


def minimize(estimator: "BaseMultilayerPerceptron", live: LiveNetwork, training: Training) -> None:
    """Find the weights with the smallest loss over all samples.

    D. C. Liu and J. Nocedal, Mathematical Programming 45, 1989.
    """
    network, values = live.network, live.network.values

    def loss_and_gradient(parameters: Array) -> tuple[float, Array]:
        values[...] = parameters
        return network.loss_and_gradients(training.x, training.y, training.weight)

    def report(intermediate_result: scipy.optimize.OptimizeResult) -> None:
        estimator.n_iter_ += 1
        print(f"Iteration {estimator.n_iter_}, loss = {intermediate_result.fun:.8f}")

    estimator.n_iter_ = 0
    result = scipy.optimize.minimize(
        loss_and_gradient,
        values.copy(),
        method="L-BFGS-B",
        jac=True,
        callback=report if estimator.verbose else None,
        options={"maxfun": estimator.max_fun, "maxiter": estimator.max_iter, "gtol": estimator.tol},
    )
    values[...] = result.x
    estimator.loss_ = float(result.fun)
    estimator.n_iter_ = _check_optimize_result("lbfgs", result, estimator.max_iter)
