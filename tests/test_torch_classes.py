"""Code and networks of PyTorch with the classes that fastnet writes are read; other classes are refused, and nothing runs."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastnet as fn
from fastnet import layers as L
from fastnet.interchange.torch.classes import CLASSES, with_classes

EYE = {"0.body.weight": np.eye(3), "0.body.bias": np.ones(3)}


def code_of(modules: str) -> str:
    return with_classes(f"torch.nn.Sequential({modules})", CLASSES)


def doubled(code: str) -> Any:
    """Return what the network of `EYE` makes of ones: ``x + 1 + x``."""
    return fn.from_state_dict(EYE, code=code).predict(np.ones((1, 3)))


def test_definitions_may_be_laid_out_otherwise() -> None:
    code = code_of("Residual(torch.nn.Linear(3, 3))")
    assert_array_equal(doubled(code), [[3.0, 3.0, 3.0]])
    variants = [
        code.replace("\n\n", "\n"),
        code.replace("\n", "\r\n"),
        code.replace("    \n", "\n").replace("network =", "net="),
        code.replace("import torch\n", "import torch\nfrom torch import nn\n").replace("torch.nn.Linear", "nn.Linear"),
        code.removeprefix("import torch\n"),
    ]
    for variant in variants:
        assert_array_equal(doubled(variant), [[3.0, 3.0, 3.0]])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "self.body(x) + self.shortcut(x)",
            "self.body(x) * self.shortcut(x)",
            "code defines 'class Residual.*otherwise",
        ),
        (
            "    def forward(self, x):",
            "    import os\n    def forward(self, x):",
            "otherwise than fastnet: it is not executed",
        ),
        ("class Residual(torch.nn.Module)", "class Block(torch.nn.Module)", "code defines 'class Block"),
        ("class Residual", "import os\n\n\nclass Residual", "code is not understood at 'import os"),
        ("network = ", "print(1)\nnetwork = ", "code is not understood at 'network = "),
        ("network = ", "network == ", "code is not understood at 'network == "),
        ("(torch.nn.Linear(3, 3))", "()", r"module '0' must be Residual\(body, shortcut=None\) of modules"),
        ("(3, 3))", "(3, 3), 3)", r"module '0' must be Residual\("),
        ("(3, 3))", "(3, 3), body=torch.nn.ReLU())", r"module '0' must be Residual\("),
        ("(3, 3))", "(3, 3), other=torch.nn.ReLU())", r"module '0' must be Residual\("),
        ("(3, 3))", "(3, 2))", r"module '0.body', Linear: tensor '0.body.weight' must have shape \(2, 3\)"),
        ("(3, 3))", "(3, 3), torch.nn.Linear(3, 2))", r"module '0.shortcut', Linear: tensor .* is missing"),
        (
            "(3, 3))",
            "(3, 3), torch.nn.Unflatten(1, (3, 1)))",
            r"module '0', Residual: it adds samples of shape \(3, 1\)",
        ),
        ("(3, 3))", "(3, 3)), Permute(0, 2)", r"module '1', Permute: it puts axes \(0, 2\) into order"),
        ("(3, 3))", "(3, 3)), Permute(1, 0)", r"module '1', Permute: it puts axes \(1, 0\) into order"),
        ("(3, 3))", "(3, 3)), Permute()", "module '1', Permute: it puts axes"),
        ("(3, 3))", "(3, 3)), Permute('a')", "module '1', Permute: "),
        ("(3, 3))", "(3, 3)), Permute(dims=(0, 1))", r"module '1' must be Permute\(\*dims\)"),
    ],
)
def test_other_classes_and_statements_are_refused(old: str, new: str, message: str) -> None:
    code = code_of("Residual(torch.nn.Linear(3, 3))")
    assert old in code
    with pytest.raises((ValueError, NotImplementedError), match=message):
        fn.from_state_dict(EYE, code=code.replace(old, new), input_shape=(3,))


@pytest.mark.parametrize("kind", CLASSES)
def test_a_class_must_be_defined_where_it_is_used(kind: str) -> None:
    with pytest.raises(NotImplementedError, match=f"module '1' is a {kind}, which the code must define in front"):
        fn.from_state_dict({}, code=f"Sequential(ReLU(), {kind}(ReLU()))", input_shape=(3,))


def test_padding_with_minus_infinity_does_not_reach_into_a_block() -> None:
    code = code_of("ConstantPad2d(1, float('-inf')), Residual(MaxPool2d(1))")
    with pytest.raises(NotImplementedError, match="module '1', Residual: padding with minus infinity"):
        fn.from_state_dict({}, code=code, input_shape=(4, 4, 1))


def test_zeros_lie_around_a_maximum_behind_sums_that_are_not_negative() -> None:
    pooling = "MaxPool2d(3, 2, 1)"
    kinds = [
        type(layer).__name__
        for layer in fn.from_state_dict(
            {}, code=code_of(f"ReLU(), Residual(Sigmoid()), {pooling}"), input_shape=(6, 6, 1)
        ).layers
    ]
    assert kinds == ["Activation", "Residual", "ZeroPadding2D", "MaxPooling2D"]
    with pytest.raises(NotImplementedError, match="whose values may be negative"):
        fn.from_state_dict({}, code=code_of(f"ReLU(), Residual(Tanh()), {pooling}"), input_shape=(6, 6, 1))


# ---- Networks -------------------------------------------------------------------------------------------------------


def test_classes_of_the_installed_pytorch_are_told_by_what_they_compute() -> None:
    torch = pytest.importorskip("torch")

    class Added(torch.nn.Module):
        """A class of one's own that computes the same."""

        def __init__(self, body: Any) -> None:
            super().__init__()
            self.body, self.shortcut = body, torch.nn.Identity()

        def forward(self, x: Any) -> Any:
            return self.body(x) + self.shortcut(x)

    class Residual(Added):
        """One that computes something else."""

        def forward(self, x: Any) -> Any:
            return self.body(x) - self.shortcut(x)

    again = fn.from_state_dict(torch.nn.Sequential(Added(torch.nn.Linear(3, 3))))
    assert isinstance(again.layers[0], L.Residual)
    with pytest.raises(NotImplementedError, match=r"module '0' is of class .*Residual: only a torch.nn.Sequential"):
        fn.from_state_dict(torch.nn.Sequential(Residual(torch.nn.Linear(3, 3))))


def test_axes_of_a_network_of_the_installed_pytorch_are_checked() -> None:
    torch = pytest.importorskip("torch")
    namespace = {"torch": torch}
    exec(CLASSES["Permute"], namespace)
    for dims in ((), (0, 3, 1), ([0, 2, 1],)):
        with pytest.raises(ValueError, match="module '0', Permute: "):
            fn.from_state_dict(torch.nn.Sequential(namespace["Permute"](*dims)), input_shape=(3, 2))
