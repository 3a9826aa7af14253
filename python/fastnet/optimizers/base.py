"""What all optimizers have in common."""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fastnet import schedules
from fastnet.schedules import LearningRateSchedule
from fastnet.support.registry import Configurable, Registry
from fastnet.support.validation import check_bool, check_integer, check_number, describe, reject_keywords, unsupported

LearningRate = float | LearningRateSchedule


class Options(NamedTuple):
    """Options that every optimizer has in addition to its update rule."""

    weight_decay: float | None = None
    clipnorm: float | None = None
    clipvalue: float | None = None
    global_clipnorm: float | None = None
    use_ema: bool = False
    ema_momentum: float = 0.99
    ema_overwrite_frequency: int | None = None
    gradient_accumulation_steps: int | None = None
    excluded_from_weight_decay: tuple[str, ...] = ()

    @classmethod
    def from_keywords(cls, owner: type, keywords: dict[str, Any]) -> Self:
        """Return the checked options."""
        names = cls._fields
        others = {name: value for name, value in keywords.items() if name not in names}
        reject_keywords(owner, others, {"loss_scale_factor": None}, names)
        given = {name: value for name, value in keywords.items() if name in names and value is not None}
        for name, value in given.items():
            if name == "use_ema":
                check_bool(name, value)
            elif name == "excluded_from_weight_decay":
                given[name] = checked_patterns(name, value)
            elif name in ("ema_overwrite_frequency", "gradient_accumulation_steps"):
                check_integer(name, value)
            else:
                check_number(name, value, minimum=0.0, maximum=1.0 if name == "ema_momentum" else math.inf)
        if sum(name in given for name in ("clipnorm", "clipvalue", "global_clipnorm")) > 1:
            raise ValueError(f"give one of clipnorm, clipvalue and global_clipnorm; got {', '.join(sorted(given))}")
        return cls(**given)

    @property
    def config(self) -> dict[str, Any]:
        """The options that are not the default."""
        chosen = {name: value for name, value in self._asdict().items() if value != self._field_defaults[name]}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in chosen.items()}

    @property
    def for_core(self) -> dict[str, Any]:
        """The options as the compiled core takes them, without names of weights."""
        own = self._replace(excluded_from_weight_decay=())._asdict()
        return {name: value for name, value in own.items() if value is not None and value != ()}


class Optimizer(Configurable):
    """The base of all optimizers.

    `learning_rate`, or `lr` as Keras 2 calls it, can be set at any time and holds from the next batch on. The other
    hyperparameters are fixed.

    Parameters
    ----------
    **keywords
        What every optimizer takes, with Keras's names and meanings:

        weight_decay : float, optional
            Every step takes ``learning_rate * weight_decay * w`` out of the weights w first. `SGD` says what it means
            there.
        clipnorm, global_clipnorm : float, optional
            The largest Euclidean norm of the gradient of each array of weights, or of all together; a larger one is
            scaled down: Pascanu, Mikolov and Bengio (2013).
        clipvalue : float, optional
            The largest magnitude of a value of the gradient; others are cut off.
        use_ema : bool, default False
            Whether a moving average of the weights is kept, which the model gets when `fit` ends; where it ends early, the
            model gets its best weights instead.
        ema_momentum : float, default 0.99
            ``average = ema_momentum * average + (1 - ema_momentum) * w`` after every batch.
        ema_overwrite_frequency : int, optional
            The number of batches after which the weights are set to their average, each time.
        gradient_accumulation_steps : int, optional
            The number of batches whose mean gradient makes one step; `iterations` counts batches.
        excluded_from_weight_decay : list of str, optional
            See `exclude_from_weight_decay`.
    """

    core_name: ClassVar[str]
    keras_methods: ClassVar[dict[str, str]] = dict.fromkeys(
        ("apply_gradients", "update_step"),
        "steps run in compiled code; loop over model.loss_and_gradients() and model.set_weights()",
    )
    _core_is_configured = False
    decays_beside: ClassVar[bool] = True  # weight_decay is taken out of the weights, not added to the gradient
    name: str

    def __init__(
        self, learning_rate: LearningRate, name: str | None, hyperparameters: dict[str, float], keywords: dict[str, Any]
    ) -> None:
        self.options = Options.from_keywords(type(self), keywords)
        self._learning_rate = _checked_learning_rate(learning_rate)
        self._iterations = 0
        self.name = self.core_name if name is None else name
        vars(self).update(self.options._asdict() | hyperparameters)
        self._fixed = tuple(hyperparameters)

    def _refusal(self, name: str) -> str:
        kind = type(self).__name__
        if name == "iterations":
            return f"iterations of {kind} counts the batches; compile the model to begin anew"
        if name not in vars(self):
            return super()._refusal(name)
        return f"{name} of {kind} is fixed; only learning_rate can change after construction: compile with a new {kind}"

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next batch: with a schedule, the schedule's value at `iterations`.

        It may be set to a number when it is one, and to a schedule.
        """
        rates = self.learning_rates(1)
        return rates if isinstance(rates, float) else float(rates[0])

    @learning_rate.setter
    def learning_rate(self, value: LearningRate) -> None:
        rate = _checked_learning_rate(value)
        if self.scheduled and not isinstance(rate, LearningRateSchedule):
            raise TypeError(
                f"learning_rate of this {type(self).__name__} follows {type(self._learning_rate).__name__}, so only a "
                f"schedule can take its place; got {describe(value)}"
            )
        self._learning_rate = rate

    lr = learning_rate

    @property
    def scheduled(self) -> bool:
        """Whether the learning rate follows a schedule."""
        return isinstance(self._learning_rate, LearningRateSchedule)

    @property
    def iterations(self) -> int:
        """The number of batches since the model was compiled. `fit` counts them."""
        return self._iterations

    def _count(self, iterations: int) -> None:
        """Take the number of batches from the network, which counts them."""
        vars(self)["_iterations"] = iterations  # as `Sealed` would, which is slower, in every step that is taken alone

    def learning_rates(self, steps: int, since: int = 0) -> float | NDArray[np.float64]:
        """Return the learning rate of each of the next `steps` batches, or the one of all of them.

        With `since` they begin that many batches earlier.
        """
        rate = self._learning_rate
        if not isinstance(rate, LearningRateSchedule):
            return rate
        every = self.options.gradient_accumulation_steps or 1
        begin = self.iterations - since
        first, last = begin // every, (begin + steps - 1) // every
        by_step = schedules.learning_rates(rate, first, last - first + 1)
        return by_step if every == 1 else by_step[(begin + np.arange(steps)) // every - first]

    def exclude_from_weight_decay(self, var_list: None = None, var_names: Sequence[str] | None = None) -> None:
        """Leave weights out of the weight decay; call it before `compile`.

        Parameters
        ----------
        var_list : None
            Only None is available: weights are arrays, which are told by their names.
        var_names : list of str
            Regular expressions. Weights are left out whose own name has a match, such as "bias", or the name of a layer that
            they are in, such as "dense", or both as a path, such as "dense/bias". The path of a weight in a model or a
            block among the layers has its place there: "base/0.dense.bias".

        Raises
        ------
        ValueError
            The optimizer is that of a compiled model already, or there is not a name.
        NotImplementedError
            `var_list` is given.

        Examples
        --------
        >>> import fastnet as fn
        >>> optimizer = fn.optimizers.AdamW(0.001, weight_decay=0.01)
        >>> optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        """
        if var_list:
            raise unsupported("exclude_from_weight_decay(var_list=...) is not available: give var_names")
        if self._core_is_configured:
            raise ValueError("exclude_from_weight_decay must be called before the model is compiled with the optimizer")
        names = checked_patterns("var_names", var_names)
        if not names:
            raise ValueError("var_names must have at least one regular expression; got none")
        options = self.options._replace(excluded_from_weight_decay=self.options.excluded_from_weight_decay + names)
        vars(self).update(options=options, excluded_from_weight_decay=options.excluded_from_weight_decay)

    @property
    def hyperparameters(self) -> dict[str, float]:
        """The numbers that the compiled core takes."""
        return {name: float(getattr(self, name)) for name in ("learning_rate", *self._fixed)}

    def get_config(self) -> dict[str, Any]:
        rate = self._learning_rate
        return {
            "learning_rate": schedules.serialize(rate) if isinstance(rate, LearningRateSchedule) else rate,
            **{name: getattr(self, name) for name in (*self._fixed, "name")},
            **self.options.config,
        }

    def core_options(self, arrays: Iterable[tuple[str, int, tuple[int, ...]]]) -> dict[str, Any]:
        """Return the options for the compiled core; `arrays` are paths, offsets and shapes."""
        vars(self)["_core_is_configured"] = True
        patterns = self.options.excluded_from_weight_decay
        found = [offset for path, offset, _ in arrays if has_match(patterns, path)]
        return {**self.options.for_core, **({"undecayed": found} if found else {})}


def has_match(patterns: Sequence[str], path: str) -> bool:
    """Return whether one of some regular expressions matches the path of a weight, or one of the names in it."""
    texts = [path, *re.split("[/.]", path)]
    return any(re.search(pattern, text) for pattern in patterns for text in texts)


def checked_patterns(argument: str, patterns: Any) -> tuple[str, ...]:
    """Return regular expressions as a tuple; None is none of them."""
    if patterns is not None and (isinstance(patterns, str) or not isinstance(patterns, Sequence)):
        raise TypeError(f"{argument} must be a list of regular expressions; got {describe(patterns)}")
    for pattern in patterns or ():
        if not isinstance(pattern, str):
            raise TypeError(f"{argument} must be a list of regular expressions; got {describe(pattern)} in it")
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{argument} must be regular expressions; {pattern!r} is none: {error}") from None
    return tuple(patterns or ())


def _checked_learning_rate(value: Any) -> LearningRate:
    if isinstance(value, LearningRateSchedule | dict):
        return schedules.get(value)
    if callable(value):
        raise unsupported(f"learning_rate must be a number or a schedule of fastnet.schedules; got {describe(value)}")
    return check_number("learning_rate", value, minimum=0.0)


optimizers = Registry("optimizer", Optimizer, "optimizers")
