"""Functional models of Keras that are a row of layers become models, and others are refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from numpy.testing import assert_allclose

import fastnet as fn
from keras_archives import changed
from record_interchange_keras import DATA, inputs

OUTPUTS = json.loads((DATA / "keras_outputs.json").read_text(encoding="utf-8"))["outputs"]


def functional(config: dict[str, Any]) -> None:
    """Make a functional model of the sequential one, as Keras 3 describes it."""
    config["class_name"] = "Functional"
    name = None
    for layer in config["config"]["layers"]:
        tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}}
        layer["inbound_nodes"] = [] if name is None else [{"args": [tensor], "kwargs": {"mask": None}}]
        name = layer["name"] = layer["config"]["name"]
    config["config"]["output_layers"] = [name, 0, 0]


def test_a_functional_model_of_layers_in_a_row_is_one_of_fastnet(tmp_path: Path) -> None:
    model = fn.load_model(changed(tmp_path / "model.keras", functional))
    assert_allclose(model.predict(inputs((3,))), OUTPUTS["small"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("number", "sources", "message"),
    [
        (3, ["normalization"], "'dense' is taken by no other"),
        (3, ["dense", "normalization"], "'batch_normalization' takes 'dense' and 'normalization'"),
        (2, [], "'dense' is an input of its own"),
    ],
)
def test_a_functional_model_with_branches_is_refused(
    number: int, sources: list[str], message: str, tmp_path: Path
) -> None:
    def change(config: dict[str, Any]) -> None:
        functional(config)
        nodes = [[[source, 0, 0, {}] for source in sources]]  # as Keras 2 has them
        config["config"]["layers"][number]["inbound_nodes"] = nodes

    with pytest.raises(ValueError, match=f"layer {message}; fastnet has layers in a row"):
        fn.load_model(changed(tmp_path / "model.keras", change))


def added(config: dict[str, Any], sources: list[str]) -> None:
    """Put a layer Add of the outputs of some layers at the end of a functional model."""
    functional(config)
    nodes = [[[source, 0, 0, {}] for source in sources]]
    add = {"class_name": "Add", "config": {"name": "add"}, "name": "add", "inbound_nodes": nodes}
    config["config"]["layers"].append(add)
    config["config"]["output_layers"] = ["add", 0, 0]


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (["dense_1", "dense_1"], "'add' adds 'dense_1' to itself"),
        (["dense", "batch_normalization"], "'dense_1' is taken by no other"),
        (["normalization", "dense", "dense_1"], "'add' takes 'normalization' and 'dense' and 'dense_1'"),
        (["dense_1", "elsewhere"], "'add' takes 'dense_1' and 'elsewhere'"),
    ],
)
def test_sums_that_are_no_blocks_are_refused(sources: list[str], message: str, tmp_path: Path) -> None:
    path = changed(tmp_path / "model.keras", lambda config: added(config, sources))
    with pytest.raises(ValueError, match=f"layer {message}; fastnet has .* layers Add of two branches from one layer"):
        fn.load_model(path)


def test_branches_that_share_a_layer_are_refused(tmp_path: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        added(config, ["normalization", "batch_normalization"])
        nodes = [[["batch_normalization", 0, 0, {}], ["add", 0, 0, {}]]]
        more = {"class_name": "Add", "config": {"name": "more"}, "name": "more", "inbound_nodes": nodes}
        layers = config["config"]["layers"]
        config["config"]["layers"] = [*layers[:4], layers[5], more]  # without dense_1
        config["config"]["output_layers"] = ["more", 0, 0]

    with pytest.raises(
        ValueError, match="layer 'batch_normalization' is part of two branches; fastnet has layers in a row"
    ):
        fn.load_model(changed(tmp_path / "model.keras", change))


def test_a_layer_that_takes_one_behind_it_is_refused(tmp_path: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        functional(config)
        config["config"]["layers"][2]["inbound_nodes"] = [[["dense_1", 0, 0, {}]]]

    with pytest.raises(ValueError, match="layer 'dense' takes 'dense_1'; fastnet has"):
        fn.load_model(changed(tmp_path / "model.keras", change))


def test_too_many_layers_are_refused_before_their_branches_are_sought(tmp_path: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        functional(config)
        config["config"]["layers"] += [config["config"]["layers"][-1]] * 10_000

    with pytest.raises(ValueError, match="its model must have 1 to 10000 layers; got 10005"):
        fn.load_model(changed(tmp_path / "model.keras", change))


def test_a_sum_with_an_input_is_a_block_whose_shapes_must_fit(tmp_path: Path) -> None:
    path = changed(tmp_path / "model.keras", lambda config: added(config, ["normalization", "dense_1"]))
    with pytest.raises(ValueError, match=r"layer 'add' adds its input, of shape \(3,\), .* of shape \(2,\)"):
        fn.load_model(path)


def test_blocks_nested_too_deep_are_refused(tmp_path: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        functional(config)
        rows, last = config["config"]["layers"], config["config"]["layers"][-1]["name"]
        names = [layer["name"] for layer in rows]
        for number in range(150):
            nodes = [[[names[0], 0, 0, {}], [last, 0, 0, {}]]]
            last = f"add_{number}"
            rows.append({"class_name": "Add", "config": {"name": last}, "name": last, "inbound_nodes": nodes})
        config["config"]["output_layers"] = [last, 0, 0]

    with pytest.raises(ValueError, match="its layers Add are nested deeper than 100"):
        fn.load_model(changed(tmp_path / "model.keras", change))


def test_a_functional_model_with_other_outputs_is_refused(tmp_path: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        functional(config)
        config["config"]["output_layers"] = [["dense", 0, 0], ["dense_1", 0, 0]]

    with pytest.raises(
        ValueError, match="its outputs are those of 'dense' and 'dense_1'; fastnet has that of the last"
    ):
        fn.load_model(changed(tmp_path / "model.keras", change))
