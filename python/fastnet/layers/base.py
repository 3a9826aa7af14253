"""What all layers have in common."""

import math
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.initializers import Initializer
from fastnet.layers.copying import Copied
from fastnet.layers.weights import Weights
from fastnet.regularizers import Regularizer
from fastnet.support.attributes import is_own, parameters, reserved_names
from fastnet.support.registry import Configurable, Registry
from fastnet.support.validation import check_bool, check_integer, check_shape, describe, reject_keywords, unsupported

Shape = tuple[int, ...]


class Layer(Configurable, Copied):
    """The base of all layers.

    Parameters
    ----------
    name : str, optional
        Optional name. Without one the model names its layers dense, dense_1 and so on.
    input_shape : tuple of int, optional
        The shape of one sample. Given to the first layer, it lets the model be built before it sees data.
    input_dim : int, optional
        Short for ``input_shape=(input_dim,)``.
    trainable : bool, default True
        Whether training changes the layer; see the attribute.

    Attributes
    ----------
    trainable : bool
        Whether training changes the layer. It can be set at any time, and counts from the next batch on. Of a layer that is
        frozen, weights and the optimizer's state for them stay as they are, and their norms and penalties do not count.
        A frozen `BatchNormalization` uses its moving averages in training, too, and leaves them as they are.
    input_shape, output_shape : tuple of int or None
        The shapes of one sample at the layer's ends; None before the layer is built.

    Notes
    -----
    A layer is built with its model or, outside of a model, by a call on samples or by `build`; a model that gets it later
    keeps its weights. A weight can be read and written by its name: ``layer.kernel = array``. What is read is a copy that
    cannot be written to. Other attributes that are arguments can be set until the layer is built.
    """

    _changeable: ClassVar[frozenset[str]] = frozenset(["trainable"])
    _called_in_training: ClassVar[bool] = False  # by default, when the layer is called on an array
    keras_defaults: ClassVar[dict[str, Any]] = {
        "dtype": None,
        "autocast": True,
        "activity_regularizer": None,
        "batch_input_shape": None,
        "batch_shape": None,
        "batch_size": None,
    }
    keras_methods: ClassVar[dict[str, str]] = {
        "call": "layers run in compiled code; combine those of fastnet, with Residual where values are added, or change "
        "the arrays before fit and predict"
    }

    def __init__(
        self,
        *,
        name: Any = None,
        input_shape: Sequence[int] | None = None,
        input_dim: int | None = None,
        trainable: bool = True,
        **keywords: Any,
    ) -> None:
        reject_keywords(type(self), keywords, self.keras_defaults, ["name", "input_shape", "input_dim"])
        if input_dim is not None:
            if input_shape is not None:
                raise ValueError("give input_shape or input_dim, not both")
            input_shape = (check_integer("input_dim", input_dim),)
        self.given_name: str | None = None if name is None else _checked_name(name)
        self._name: str = name or self.default_name()
        self._trainable = check_trainable(trainable)
        self.given_input_shape = None if input_shape is None else check_shape("input_shape", input_shape)
        self.input_shape: Shape | None = None
        self.output_shape: Shape | None = None
        self.in_model = False
        self._weights: Weights | None = None
        self._kept_weights: list[NDArray[Any]] = []

    @classmethod
    def default_name(cls) -> str:
        """Return the class name in snake case, as Keras does: PReLU gives p_re_lu, MaxPooling2D max_pooling2d."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=.)(?=[A-Z][a-z])", "_", cls.__name__).lower()

    # --- Attributes that can be set ---

    @property
    def name(self) -> str:
        """The name of the layer."""
        return self._name

    @name.setter
    def name(self, value: str) -> None:
        if self.in_model:
            raise AttributeError(f"layer {self.name!r} is in a model and keeps its name: give it to a new layer")
        vars(self).update(_name=_checked_name(value), given_name=value)

    @property
    def trainable(self) -> bool:
        """Whether training changes the layer; to set it sets it for the layers inside, too."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = check_trainable(value)
        for layer in self._inside():
            layer.trainable = value

    def _inside(self) -> Sequence["Layer"]:
        """Return the layers inside the layer."""
        return ()

    def __setattr__(self, name: str, value: Any) -> None:
        weights: Weights | None = vars(self).get("_weights")
        if weights is not None and name in self.weight_names:
            weights.chosen([self.weight_names.index(name)]).set([value])
            return
        super().__setattr__(name, value)
        if weights is not None and name in self._changeable:
            weights.changes.mark()

    def _accepted(self, name: str, value: Any) -> Any:
        if isinstance(getattr(type(self), name, None), property):
            return super()._accepted(name, value)
        kind = next(kind for kind in type(self).__mro__ if is_own(kind) and issubclass(kind, Layer))
        given = vars(self).keys() & parameters(kind) - {"input_shape"}
        if name in self._changeable or (self._weights is None and name in given):
            # What the argument of a new layer would become.
            return getattr(kind.from_config({**kind.get_config(self), name: value}), name)
        if name in self.keras_defaults:
            reject_keywords(type(self), {name: value}, self.keras_defaults)
            return value
        return super()._accepted(name, value)

    def _refusal(self, name: str) -> str:
        if hasattr(self, name) or name in reserved_names(type(self)):
            when = "" if self._weights is None else " after the layer is built"
            return f"{type(self).__name__}.{name} cannot change{when}: make a new layer"
        hint = " (a layer has weights once its model is built, or it is called)" if self._weights is None else ""
        return super()._refusal(name) + hint

    if not TYPE_CHECKING:  # mypy would take any name for an attribute

        def __getattr__(self, name: str) -> Any:
            weights = vars(self).get("_weights")
            found = () if weights is None else [i for i, slot in enumerate(weights.slots) if slot.name == name]
            if found:
                return self.weights[found[0]]
            return super().__getattr__(name)

    def settings(self, path: str) -> Iterator[tuple[str, "Layer", str]]:
        """Yield the attributes that can change at any time, each as a path, a layer at it and a name; and those inside."""
        for name in sorted(self._changeable):
            yield path, self, name

    # --- What the model asks of a layer ---

    def join(self, name: str) -> None:
        """Become a part of a model or a block, under a name; weights stay, but the shapes are those of the model to come."""
        vars(self).update(in_model=True, _name=name, input_shape=None, output_shape=None)

    def leave(self) -> None:
        """Be free for another model."""
        vars(self).update(in_model=False, _name=self.given_name or self.default_name())

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of one sample after the layer."""
        return input_shape

    def check_axis(self, axis: Any, input_shape: Shape | None = None) -> None:
        """Refuse any axis but the last: -1 or, counted from 1, the number of dimensions, if these are known."""
        is_last = axis == -1 or (type(axis) is int and (axis >= 1 if input_shape is None else axis == len(input_shape)))
        if not is_last:
            samples = "" if input_shape is None else f" for samples of shape {input_shape}"
            raise unsupported(f"{type(self).__name__}(axis={axis!r}) is not available{samples}: only the last axis")

    def description(self, _input_shape: Shape, /) -> dict[str, Any] | None:
        """Return the layer's description for the compiled core, or None when there is nothing to compute."""
        raise unsupported(f"{type(self).__name__}, a class of layers that is not fastnet's own, is not available")

    def descriptions(self, input_shape: Shape) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
        """Yield the descriptions of the layer and of the layers inside it, each with the names of its weights here."""
        description = self.description(input_shape)
        if description is not None:
            yield tuple(self.weight_shapes(input_shape)), {**description, "trainable": self.trainable}

    def weight_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """Return the names and the shapes of the layer's weights, in the order of `get_weights`."""
        del input_shape
        return {}

    def initializer(self, weight_name: str) -> Initializer:
        """Return the initializer of one of the layer's weights."""
        raise KeyError(weight_name)

    def regularizer(self, weight_name: str) -> Regularizer | None:
        """Return the regularizer of one of the layer's weights, if it has one."""
        del weight_name
        return None

    def trains(self, weight_name: str) -> bool:
        """Return whether training may change one of the layer's weights, as far as the layer itself is concerned."""
        del weight_name
        return self.trainable

    def attach(self, weights: Weights, input_shape: Shape, output_shape: Shape) -> None:
        """Become a part of a built network."""
        vars(self).update(_weights=weights, _kept_weights=[], input_shape=input_shape, output_shape=output_shape)

    def prepare(self, input_shape: Shape, draw: bool, generator: Any) -> None:
        """Get ready to be attached; a model among the layers is built here, with initial weights of the generator if it draws."""

    def detach(self) -> None:
        """Leave the network, and keep the weights."""
        vars(self).update(_kept_weights=self.get_weights(), _weights=None, input_shape=None, output_shape=None)

    # --- Weights ---

    def keep_weights(self, arrays: Sequence[ArrayLike]) -> None:
        """Have these weights, in the order of `weight_names`, when the model is built, instead of initial ones."""
        self._kept_weights = [np.asarray(array) for array in arrays]

    @property
    def weight_names(self) -> list[str]:
        """The names of the layer's weights, in the order of `get_weights`; empty before the model is built."""
        return [] if self._weights is None else [slot.name for slot in self._weights.slots]

    def get_weights(self) -> list[NDArray[Any]]:
        """Return a copy of the layer's weights, in the order of `weight_names`; empty before the model is built."""
        if self._weights is None:
            return [array.copy() for array in self._kept_weights]
        return self._weights.get()

    def weights_in(self, flat: NDArray[Any] | None) -> list[NDArray[Any]]:
        """Return the layer's weights in a copy of all values of its network; None where it is in none."""
        return self.get_weights() if flat is None or self._weights is None else self._weights.split(flat)

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Replace the layer's weights by arrays of the same shapes, in the order of `weight_names`."""
        self._built_weights().set(weights)

    def count_params(self) -> int:
        """Return the number of values in the layer's weights."""
        return self._built_weights().count

    def count_trainable_params(self) -> int:
        """Return the number of values in the layer's weights that training changes by their gradients."""
        self._built_weights()
        return self._trained_weights().count

    @property
    def trainable_names(self) -> list[str]:
        """The names of the weights that training changes by their gradients; empty before the model is built."""
        return [] if self._weights is None else [slot.name for slot in self._trained_weights().slots]

    def _weights_if_built(self) -> Weights | None:
        return self._weights

    def _trained(self) -> list[bool]:
        slots = () if self._weights is None else self._weights.slots
        return [slot.trainable and self.trains(slot.name) for slot in slots]

    def count_flops(self) -> int:
        """Return the floating-point operations of a prediction for one sample.

        A multiplication and an addition count as 2. A layer with nothing to compute takes none.
        """
        self._built_weights()
        if self.input_shape is None:
            raise ValueError(f"layer {self.name!r} has no input_shape before its model is built")
        return self._flops(self.input_shape)

    def _flops(self, input_shape: Shape) -> int:
        """Return what `count_flops` returns: one operation for every value, unless a layer knows better."""
        return 0 if self.description(input_shape) is None else math.prod(input_shape)

    def _built_weights(self) -> Weights:
        """Return the weights; an error where they do not exist yet."""
        if self._weights is None:
            raise ValueError(
                f"layer {self.name!r} has no weights before its model is built; give an input_shape, or call the layer"
            )
        return self._weights

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Create the weights, unless there are any; a model that the layer is in, or is put into later, keeps them.

        Initial values are drawn from a generator that follows `fastnet.utils.set_random_seed`.

        Parameters
        ----------
        input_shape : tuple of int
            The shape of one sample; a leading None, the batch dimension in Keras, is ignored.

        Raises
        ------
        ValueError
            The layer cannot take such samples, or has weights that do not fit them.

        Examples
        --------
        >>> import fastnet as fn
        >>> layer = fn.Dense(3)
        >>> layer.build((None, 4))
        >>> layer.kernel.shape
        (4, 3)
        """
        from fastnet.layers.calling import build_alone

        given: Any = input_shape
        with_batch = isinstance(given, Sequence) and given[:1] in ((None,), [None])
        build_alone(self, check_shape("input_shape", given[1:] if with_batch else given))

    def __call__(self, x: Any, training: bool | None = None) -> NDArray[Any]:
        """Return the outputs of the layer for samples. A layer without weights is built first, as `build` does it.

        Parameters
        ----------
        x : array_like, shape (n, ...)
            The samples, as the layer gets them in its model. Another size of images, say, is accepted where the weights fit.
        training : bool, optional
            Whether the layer acts as in a step of `fit` with the samples as one batch. Every call draws other numbers, and no
            weight changes. By default only layers of augmentation, such as `RandomFlip`, do so, as in Keras.

        Returns
        -------
        ndarray of shape (n, ...)
            In the dtype of the layer's weights; float32 where it has none.

        Raises
        ------
        ValueError
            The layer cannot take such samples, or has weights that do not fit them.
        NotImplementedError
            `x` is an `Input`: the functional API is not a part of fastnet.

        Examples
        --------
        >>> import fastnet as fn
        >>> fn.Rescaling(0.5)([[1.0, 2.0]])
        array([[0.5, 1. ]], dtype=float32)
        """
        from fastnet.layers.calling import call, refuse_symbolic

        refuse_symbolic(self.name, type(self).__name__, x)
        in_training = self._called_in_training if training is None else check_bool("training", training)
        return call(self, x, in_training)

    def arrays_for_call(self, input_shape: Shape) -> dict[str, NDArray[Any]]:
        """Return the weights by their names; they are created if there are none.

        Raises
        ------
        ValueError
            The weights do not fit the samples.
        """
        from fastnet.layers.calling import build_alone

        build_alone(self, input_shape)
        return dict(zip(self.weight_names, self.get_weights(), strict=True))

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, **({} if self.trainable else {"trainable": False})}

    def __repr__(self) -> str:
        shapes = "" if self.input_shape is None else f": {self.input_shape} -> {self.output_shape}"
        return f"<{type(self).__name__} {self.name!r}{shapes}>"


def _checked_name(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise TypeError(f"name must be a non-empty string; got {describe(name)}")
    return name


def check_trainable(value: Any) -> bool:
    """Return `value`, if it is a truth value."""
    if not isinstance(value, bool | np.bool_) and not (isinstance(value, int) and value in (0, 1)):
        raise TypeError(f"trainable must be True or False; got {describe(value)}")
    return bool(value)


def positions_of(input_shape: Shape) -> dict[str, int]:
    """Return how often a layer of the last axis acts on a sample, for its description; nothing where that is once."""
    positions = math.prod(input_shape[:-1])
    return {} if positions == 1 else {"positions": positions}


layers = Registry("layer", Layer, "layers")
