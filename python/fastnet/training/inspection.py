"""Inspection of a model: outputs of layers, and gradients with respect to weights and inputs."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.inputs.samples import CORE_DTYPES, Features, as_array, shape_of
from fastnet.inputs.sparse import is_sparse
from fastnet.inputs.tables import is_table
from fastnet.layers.base import Layer
from fastnet.layers.calling import outputs_in_training
from fastnet.layers.merging import Residual, contains
from fastnet.layers.weights import NETWORKS, Network, Slot, Weights
from fastnet.support.text import did_you_mean
from fastnet.support.validation import check_integer
from fastnet.training.trainer import Trainer

_ROWS = 256


class Inspector(Trainer):
    """The part of a model that inspects activations, gradients and derivatives."""

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """Return a layer, or a model among the layers, by its name or by its index, counted from the input without an `Input`.

        Raises
        ------
        ValueError
            There is no such layer, or not exactly one of `name` and `index` is given.

        Examples
        --------
        >>> import fastnet as fn
        >>> model = fn.Sequential([fn.Dense(3, name="hidden", input_shape=(2,)), fn.Dense(1)])
        >>> model.get_layer("hidden") is model.get_layer(index=0)
        True
        """
        if (name is None) == (index is None):
            raise ValueError(f"get_layer needs a name or an index; got name={name!r}, index={index!r}")
        if index is not None:
            place = check_integer("index", index, minimum=-len(self._layers), maximum=len(self._layers) - 1)
            return self.layers[place]
        names = [layer.name for layer in self._layers]
        if name not in names:
            known = ", ".join(map(repr, names)) or "none"
            raise ValueError(f"there is no layer {name!r}; the layers are {known}{did_you_mean(name, names)}")
        return self.layers[names.index(name)]

    def _called_in_training(self, x: Any) -> NDArray[Any]:
        self._built_network(x)
        features = self._features("x", x)
        with self._structure:
            assert self.input_shape is not None
            described = self._descriptions(self._shapes_from(self.input_shape))
            network = NETWORKS[self.dtype](
                math.prod(self.input_shape), [self._for_core(one) for _, _, one in described]
            )
            network.set_parameters(self._values())
        return self._shaped(outputs_in_training(network, features))

    def activations(self, x: Any) -> dict[str, NDArray[Any]]:
        """Return the output of every layer, as in prediction.

        Parameters
        ----------
        x : array_like or sparse matrix, shape (n, *input_shape)
            The samples, as in `predict`.

        Returns
        -------
        dict from str to ndarray
            By the name of the layer, in the order of the layers; an array of shape (n, *layer.output_shape). A `Residual`
            gives one array, its output.

        Raises
        ------
        ValueError
            `x` does not have the model's input shape.

        Examples
        --------
        >>> import fastnet as fn
        >>> model = fn.Sequential([fn.layers.Rescaling(0.5, input_shape=(2,)), fn.layers.ReLU()])
        >>> model.activations([[2.0, -4.0]])
        {'rescaling': array([[ 1., -2.]], dtype=float32), 're_lu': array([[1., 0.]], dtype=float32)}
        """
        self._built_network(x)
        features = self._features("x", x)
        return {
            layer.name: output.reshape(len(features), *(layer.output_shape or ()))
            for layer, output in self._outputs(features)
        }

    def _outputs(self, features: Features) -> Iterator[tuple[Layer, NDArray[Any]]]:
        """Yield every layer and its output for the rows of `features`."""
        for layer, network in self._networks_of_layers():
            features = output = network.predict(features, _ROWS)
            yield layer, output

    def _output_of(self, wanted: Layer, x: Any) -> NDArray[Any]:
        """Return the output of a layer for samples; it may be inside a `Residual`."""
        self._built_network(x)
        return self._output_in(self._leaves_with_weights(), self._features("x", x), wanted)

    def _output_in(
        self, row: Sequence[tuple[Layer, list[NDArray[Any]]]], features: Features | NDArray[Any], wanted: Layer
    ) -> NDArray[Any]:
        """Return the output of a layer that is in a row of layers with weights, or inside of one of them."""
        for layer, arrays in row:
            if isinstance(layer, Residual) and layer is not wanted and contains(layer, wanted):
                weights = iter(arrays)
                inside = [(one, [next(weights) for _ in one.weight_names]) for one in (*layer.layers, *layer.shortcut)]
                count = len(layer.layers)
                branches = inside[:count], inside[count:]
                branch = next(one for one in branches if any(contains(inner, wanted) for inner, _ in one))
                return self._output_in(branch, features, wanted)
            features = self._network_of(layer, arrays).predict(features, _ROWS)
            if layer is wanted:
                return features.reshape(len(features), *(layer.output_shape or ()))
        raise AssertionError(f"layer {wanted.name!r} is not in the model")

    def _networks_of_layers(self) -> Iterator[tuple[Layer, Network]]:
        """Yield every layer with a network of this layer alone; the weights are a consistent snapshot."""
        for layer, arrays in self._layers_with_weights():
            yield layer, self._network_of(layer, arrays)

    def _network_of(self, layer: Layer, arrays: list[NDArray[Any]]) -> Network:
        """Return a network of one layer with these weights.

        The core fuses some layers, such as a matrix multiplication and its activation. The model's own network has no
        array for the values between fused layers.
        """
        shape = layer.input_shape or ()
        described = [self._for_core(description, seed=0) for _, description in layer.descriptions(shape)]
        network = NETWORKS[self.dtype](math.prod(shape), described)
        slots = [
            Slot(name, name, offset, array.shape, trainable)
            for (_, name, offset, _, trainable), array in zip(network.parameter_slots, arrays, strict=True)
        ]
        Weights(network, self.dtype, slots).set(arrays)
        return network

    def gradients(self, x: Any, y: Any, sample_weight: ArrayLike | None = None) -> dict[str, dict[str, NDArray[Any]]]:
        """Return the gradients of the loss with respect to the weights of every layer; no weight changes.

        Parameters
        ----------
        x, y, sample_weight
            As in `fit`; the loss is the mean over the samples.

        Returns
        -------
        dict from str to dict from str to ndarray
            By the name of the layer, then by the name of the weight: ``gradients["dense"]["kernel"]``. Layers without
            trainable weights are left out.

        Examples
        --------
        >>> import fastnet as fn
        >>> model = fn.Sequential([fn.Dense(1, input_shape=(2,))], dtype="float64")
        >>> model.set_weights([[[1.0], [2.0]], [0.0]])
        >>> model.compile(loss="mse")
        >>> model.gradients([[1.0, 1.0]], [1.0])
        {'dense': {'kernel': array([[4.],
               [4.]]), 'bias': array([4.])}}
        """
        _, arrays = self.loss_and_gradients(x, y, sample_weight)
        remaining = iter(arrays)
        layers = self._layers if self.trainable else ()
        by_layer = {layer.name: {name: next(remaining) for name in layer.trainable_names} for layer in layers}
        return {name: gradients for name, gradients in by_layer.items() if gradients}

    def jacobian(self, x: Any) -> NDArray[Any]:
        """Return the derivatives of the outputs with respect to the inputs.

        The model acts as in `predict`: nothing is dropped, no noise is added, and BatchNormalization takes its moving
        statistics. The derivatives are with respect to the values in `x`, before any Rescaling or Normalization in the
        model.

        Parameters
        ----------
        x : array_like, table or sparse matrix, shape (n, *input_shape), or array_like, shape input_shape
            The samples, as in `predict`, or a single one. An array of one dimension is n samples if a sample is one
            number, as in `predict`.

        Returns
        -------
        ndarray of shape (n, *output_shape, *input_shape), or (*output_shape, *input_shape) for a single sample
            For a model of rows, ``jacobian[i, j, k]`` is the derivative of output j of sample i with respect to feature
            k. The features are in the model's order, even if the columns of a table were not. In the dtype of the
            model; rows of outputs that are NaN are NaN.

        Raises
        ------
        ValueError
            `x` does not have the model's input shape.

        See Also
        --------
        input_gradients : The gradient of the loss with respect to the inputs.
        fastnet.plotting.plot_saliency : Plot the features that a prediction depends on.

        Notes
        -----
        At a kink, such as that of ReLU at 0, the derivative is the one that training uses. A sample takes one forward
        pass, and one backward pass for each output. Its derivatives are bitwise the same whichever other samples are in
        `x`. The result has n times outputs times features numbers: pass fewer samples if that is too large.

        Examples
        --------
        >>> import fastnet as fn
        >>> model = fn.Sequential([fn.Dense(2, input_shape=(3,))])
        >>> model.set_weights([[[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]], [0.0, 0.0]])
        >>> model.jacobian([0.0, 1.0, 2.0])
        array([[1., 2., 3.],
               [4., 5., 6.]], dtype=float32)
        >>> model.jacobian([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]).shape
        (2, 2, 3)
        """
        network, shape = self._network, self.input_shape
        if network is not None and self._maps_rows and type(x) is np.ndarray and x.dtype in CORE_DTYPES:
            if x.ndim == 2 and x.shape[1:] == shape:
                return network.differentiate(x, "outputs")
            if x.ndim == 1 and x.shape == shape != (1,):
                row: NDArray[Any] = network.differentiate(x[None], "outputs")[0]
                return row
        x, is_one = self._one_or_more(x)
        network = self._built_network(x)
        features = self._features("x", x)
        assert self.input_shape is not None
        by_input = network.differentiate(features, "outputs")
        by_input = by_input.reshape(len(features), *self._output_shape, *self.input_shape)
        return by_input[0] if is_one else by_input

    def _one_or_more(self, x: Any) -> tuple[Any, bool]:
        """Return samples, and whether they were given as a single one."""
        if self.input_shape in (None, (1,)) or is_sparse(x) or is_table(x) or hasattr(x, "to_numpy"):
            return x, False  # the values of a series may not be in the model's order
        samples = as_array("x", x)
        return (samples[None], True) if samples.shape == self.input_shape else (samples, False)

    def input_gradients(self, x: Any, y: Any, sample_weight: ArrayLike | None = None) -> NDArray[Any]:
        """Return the gradient of the loss of the samples with respect to the inputs.

        The loss is that of `evaluate`, a mean over the samples. The gradient of the loss of sample i alone is therefore
        n times row i. As in `jacobian`, the model acts as in `predict`, even with Dropout or BatchNormalization; with
        these, `loss_and_gradients` returns the gradients of a training step instead.

        Parameters
        ----------
        x, y, sample_weight
            As in `loss_and_gradients`.

        Returns
        -------
        ndarray of the shape of `x`
            In the dtype of the model. The features are in the model's order, even if the columns of a table were not.

        Raises
        ------
        ValueError
            The model is not compiled, or the data do not fit it.

        See Also
        --------
        jacobian : The derivatives of every output.
        gradients, loss_and_gradients : The gradients of the loss with respect to the weights.

        References
        ----------
        .. [1] I. Goodfellow, J. Shlens, C. Szegedy: Explaining and harnessing adversarial examples. ICLR 2015.

        Examples
        --------
        A step of the fast gradient sign method [1]_: each feature moves a little in the direction in which the loss
        grows.

        >>> import numpy as np
        >>> import fastnet as fn
        >>> model = fn.Sequential([fn.Dense(1, input_shape=(2,))], dtype="float64")
        >>> model.set_weights([[[1.0], [-2.0]], [0.0]])
        >>> model.compile(loss="mse")
        >>> x, y = np.array([[1.0, 1.0]]), np.array([1.0])
        >>> gradients = model.input_gradients(x, y)
        >>> gradients
        array([[-4.,  8.]])
        >>> model.evaluate(x, y, verbose=0), model.evaluate(x + 0.5 * np.sign(gradients), y, verbose=0)
        (4.0, 12.25)
        """
        network = self._trainable_network("input_gradients", x, y)
        samples = self._samples(x, y, sample_weight, any_sum=True)
        custom = self._compiled("input_gradients()").custom_loss
        if custom is None:
            by_input = network.differentiate(samples.x, "loss", samples.y, samples.weight)
        else:
            outputs = network.predict(samples.x, _ROWS)
            _, by_output = custom.value_and_gradient(samples.y, outputs, samples.weight)
            by_input = network.differentiate(samples.x, "weighted_outputs", by_output)
        return by_input.reshape(shape_of("x", x))
