"""The solver 'lbfgs': scipy's L-BFGS-B on the loss and the gradient that the core computes."""

import scipy.optimize
from sklearn.utils.optimize import _check_optimize_result

from fastnet.sklearn._network import Array, LiveNetwork
from fastnet.sklearn._parameters import Parameters
from fastnet.sklearn._stochastic import Training
from fastnet.sklearn._tasks import FitTasks

_STOPPED = 99  # scipy's status after StopIteration


def minimize(estimator: Parameters, live: LiveNetwork, training: Training, tasks: FitTasks | None) -> None:
    """Minimize the loss over all samples; `tasks` is notified of every iteration.

    D. C. Liu and J. Nocedal, Mathematical Programming 45, 1989.
    """
    network, values = live.network, live.network.values

    def loss_and_gradient(parameters: Array) -> tuple[float, Array]:
        values[...] = parameters
        return network.loss_and_gradients(training.x, training.y, training.weight)

    def report(intermediate_result: scipy.optimize.OptimizeResult) -> None:
        estimator.n_iter_ += 1
        if estimator.verbose:
            print(f"Iteration {estimator.n_iter_}, loss = {intermediate_result.fun:.8f}")
        if tasks is not None:
            tasks.begin_iteration()
            values[...] = intermediate_result.x
            if tasks.end_iteration():
                raise StopIteration

    estimator.n_iter_ = 0
    result = scipy.optimize.minimize(
        loss_and_gradient,
        values.copy(),
        method="L-BFGS-B",
        jac=True,
        callback=report if estimator.verbose or tasks is not None else None,
        options={"maxfun": estimator.max_fun, "maxiter": estimator.max_iter, "gtol": estimator.tol},
    )
    values[...] = result.x
    estimator.loss_ = float(result.fun)
    stopped = result.status == _STOPPED
    estimator.n_iter_ = result.nit if stopped else _check_optimize_result("lbfgs", result, estimator.max_iter)
