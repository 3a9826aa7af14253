"""Random networks of every layer, activation, loss and optimizer compute in float64 what PyTorch's autograd computes."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

import fastnet.layers as _  # noqa: F401  which registers the layers
from fastnet.layers.augmentation import Augmentation
from fastnet.layers.base import layers
from fastnet.losses.base import losses
from fastnet.optimizers.base import optimizers
from oracle import image_networks, networks
from oracle.image_networks import random_image_case
from oracle.networks import Case, random_case

TOLERANCE = 1e-9
NETWORKS, GROUPS = 300, 30
ORACLE = Path(networks.__file__).parent


def table(module: str, name: str) -> set[str]:
    """The keys of a table of a module, which is read and not run: it needs PyTorch."""
    tree = ast.parse((ORACLE / f"{module}.py").read_text(encoding="utf-8"))
    value = next(node.value for node in tree.body if isinstance(node, ast.AnnAssign) and node.target.id == name)
    assert isinstance(value, ast.Dict)
    return {key.value for key in value.keys if isinstance(key, ast.Constant)}


def test_the_oracle_has_everything_that_networks_are_made_of() -> None:
    drawn = {
        "LAYERS": {*networks.LAYERS, *image_networks.IMAGES, *image_networks.LINES, *image_networks.ANY},
        "LOSSES": {*networks.LOSSES},
        "OPTIMIZERS": {*networks.OPTIMIZERS},
    }
    for name, registry in {"LAYERS": layers, "LOSSES": losses, "OPTIMIZERS": optimizers}.items():
        # Layers that change images at random have tests of their own.
        made = [cls for cls in registry._classes.values() if not issubclass(cls, Augmentation)]
        # Circle compares the samples of a batch with each other: so does test_circle_loss.py.
        classes = {cls.__name__ for cls in made} - {"InputLayer", "Circle"}
        assert drawn[name] == classes
        assert table(*{"OPTIMIZERS": ("optimizers", "RULES")}.get(name, (name.lower(), name))) == classes


@pytest.mark.parametrize("draw", [random_case, random_image_case])
@pytest.mark.parametrize("group", range(GROUPS))
def test_random_networks_are_those_of_the_installed_pytorch(
    group: int, draw: Callable[[int], Case], request: pytest.FixtureRequest
) -> None:
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    from oracle.training import by_fastnet, by_torch, distances, inputs_of, sensitivity

    torch.set_num_threads(1)  # of OpenMP, which fastnet asks as well: put back below
    request.addfinalizer(lambda: torch.set_num_threads(threads))
    for seed in range(group, NETWORKS, GROUPS):
        case = draw(seed)
        inputs = inputs_of(case)
        truth = by_torch(case, inputs)
        far = {name: d for name, d in distances(by_fastnet(case), truth).items() if d > TOLERANCE}
        if far:  # as far as rounding alone moves PyTorch's own results?
            moved = sensitivity(case, inputs, truth)
            assert {name: d for name, d in far.items() if d > 30 * moved[name]} == {}, f"seed {seed}: {case.model!r}"
