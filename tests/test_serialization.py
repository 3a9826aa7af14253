"""Model files: what is saved comes back bit for bit, and what is no whole model file is refused in one line."""

import errno
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy

import fastnet as fn
from fastnet.serialization import read_metadata

DATA = Path(__file__).parent / "data"


def make_model(dtype: str = "float32", seed: int = 0) -> fn.Sequential:
    model = fn.Sequential(
        [
            fn.Input((3,)),
            fn.Rescaling(0.5, offset=0.25),
            fn.Dense(4, activation="relu"),
            fn.LeakyReLU(0.1),
            fn.Dense(2, activation="softmax", use_bias=False, name="last"),
        ],
        seed=seed,
        dtype=dtype,
    )
    model.compile(fn.optimizers.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.class_names = ["cat", "größer 犬"]
    model.feature_names = ["a", "b", "c"]
    return model


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    make_model().save(path)
    return path


def rewrite(path: Path, metadata: dict[str, Any] | None = None, tensors: dict[str, Any] | None = None) -> None:
    """Replace entries of a model file; None removes one. The checksum, which would then be wrong, is removed."""
    with safetensors.safe_open(path, framework="numpy") as file:
        old_metadata = {**file.metadata(), "checksum": None}
        old_tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    changed = [
        {key: value for key, value in (old | (new or {})).items() if value is not None}
        for old, new in ((old_metadata, metadata), (old_tensors, tensors))
    ]
    path.write_bytes(safetensors.numpy.save(changed[1], metadata=changed[0]))


def with_config(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the architecture in a model file."""
    config = json.loads(read_metadata(path)["config"])
    change(config)
    rewrite(path, metadata={"config": json.dumps(config)})


def refused(path: Path) -> str:
    """Return the reason why a file is refused: one line that begins with the name of the file."""
    with pytest.raises(ValueError, match=re.escape(str(path))) as caught:
        fn.load_model(path)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    return message.removeprefix(f"cannot load {path}: ")


# ---- Saving and loading ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_come_back_bit_for_bit(dtype: str, tmp_path: Path) -> None:
    model = make_model(dtype)
    weights = model.get_weights()
    tiny, huge = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
    weights[0].flat[:6] = [-0.0, tiny, -huge, np.inf, np.nan, 1 / 3]
    model.set_weights(weights)
    model.save(tmp_path / "m.safetensors")
    loaded = fn.load_model(tmp_path / "m.safetensors")
    assert loaded.dtype == dtype
    assert [array.tobytes() for array in loaded.get_weights()] == [array.tobytes() for array in weights]


def test_everything_else_comes_back(path: Path) -> None:
    model, loaded = make_model(), fn.load_model(path)
    assert loaded.get_config() == model.get_config()
    assert loaded.get_compile_config() == model.get_compile_config()
    assert loaded.class_names == model.class_names
    assert loaded.feature_names == model.feature_names
    x = np.random.default_rng(0).normal(size=(5, 3))
    assert (loaded.predict(x, verbose=0) == model.predict(x, verbose=0)).all()


def test_names_and_compile_configuration_may_be_absent(tmp_path: Path) -> None:
    model = fn.Sequential([fn.Dense(1, input_shape=(2,))])
    model.save(tmp_path / "m.safetensors")
    assert set(read_metadata(tmp_path / "m.safetensors")) == {
        "format",
        "format_version",
        "fastnet_version",
        "config",
        "checksum",
    }
    loaded = fn.load_model(tmp_path / "m.safetensors")
    assert loaded.get_compile_config() is None
    assert loaded.class_names is None
    assert loaded.feature_names is None


def test_a_model_can_be_loaded_without_its_compile_configuration(path: Path) -> None:
    assert fn.load_model(path, compile=False).get_compile_config() is None


def test_a_loaded_model_trains_on(path: Path) -> None:
    model = fn.load_model(path)
    before = model.get_weights()
    model.fit(np.ones((4, 3)), np.array([0, 1, 0, 1]), epochs=1, verbose=0)
    assert any((now != then).any() for now, then in zip(model.get_weights(), before, strict=True))


def test_the_safetensors_library_alone_reads_the_weights(path: Path) -> None:
    tensors = safetensors.numpy.load_file(path)
    model = make_model()
    assert sorted(tensors) == ["layers.1.dense.bias", "layers.1.dense.kernel", "layers.3.last.kernel"]
    for name, array in zip(["1.dense.kernel", "1.dense.bias", "3.last.kernel"], model.get_weights(), strict=True):
        assert (tensors[f"layers.{name}"] == array).all()


def test_the_metadata_are_strings_with_json(path: Path) -> None:
    metadata = read_metadata(path)
    assert metadata["format"] == "fastnet"
    assert metadata["format_version"] == "1"
    assert metadata["fastnet_version"] == fn.__version__
    assert json.loads(metadata["config"])["layers"][1]["class_name"] == "Dense"
    assert json.loads(metadata["compile"])["optimizer"]["class_name"] == "SGD"
    assert json.loads(metadata["class_names"]) == ["cat", "größer 犬"]


def test_arrays_that_are_not_contiguous_are_written_as_they_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model()
    weights = model.get_weights()
    monkeypatch.setattr(model, "get_weights", lambda: [np.asfortranarray(array) for array in weights])
    model.save(tmp_path / "m.safetensors")
    for loaded, array in zip(fn.load_model(tmp_path / "m.safetensors").get_weights(), weights, strict=True):
        assert (loaded == array).all()


def test_equal_models_give_equal_files(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.safetensors" for number in range(5)]
    for file in files:
        make_model().save(file)
    assert len({file.read_bytes() for file in files}) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_file_of_format_version_1_loads(dtype: str) -> None:
    """Files of every released format version load for ever: these two are never written again."""
    model = fn.load_model(DATA / "written_by" / "0.1.0" / f"dense_{dtype}.safetensors")
    assert model.class_names == ["no", "yes"]
    assert model.feature_names == ["x1", "x2"]
    assert model.get_compile_config()["optimizer"]["config"]["learning_rate"] == 0.25
    kernel, bias, last = model.get_weights()
    assert kernel.tolist() == [[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]]
    assert bias.tolist() == [0.5, 0.0, -0.5]
    assert last.tolist() == [[1.0, 0.0], [0.0, 1.0], [2.0, -2.0]]
    # 0.5 x = (1, 2); the hidden layer gives relu(2, 4, -2) = (2, 4, 0); the last one softmax(2, 4).
    expected = 1 / (1 + np.exp([2.0, -2.0]))
    np.testing.assert_allclose(model.predict(np.array([[2.0, 4.0]]), verbose=0)[0], expected, rtol=1e-6)


# ---- What is not written --------------------------------------------------------------------------------------------


def test_a_model_without_weights_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no weights to save"):
        fn.Sequential([fn.Dense(1)]).save(tmp_path / "m.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("names", [("a", "b"), ["a", 1], "ab"])
def test_names_that_are_no_list_of_strings_are_not_saved(names: Any, tmp_path: Path) -> None:
    model = make_model()
    model.class_names = names
    with pytest.raises(ValueError, match="class_names must be a list of strings or None"):
        model.save(tmp_path / "m.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_kept_on_request(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match=re.escape(str(path))):
        make_model(seed=1).save(path, overwrite=False)
    assert path.read_bytes() == before
    make_model(seed=1).save(path)
    assert path.read_bytes() != before


def test_a_failed_write_leaves_the_earlier_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"(?i)no space left"):
        make_model(seed=1).save(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


# ---- What is not loaded ---------------------------------------------------------------------------------------------


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nothing"):
        fn.load_model(tmp_path / "nothing.safetensors")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="folder"):
        fn.load_model(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "pipe") == "it is not a regular file"


@pytest.mark.parametrize(
    "content",
    [b"", b"abc", b"label,pixel0,pixel1\n1,2,3\n", bytes(1000), (200_000_000).to_bytes(8, "little") + b"{}" * 50],
    ids=["empty", "short", "csv", "zeros", "huge header"],
)
def test_what_is_no_safetensors_file_is_refused(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    assert refused(path) == "it is not a safetensors file"


def test_a_file_that_is_cut_anywhere_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    assert "cut short" in refused_with(path, whole[: len(whole) // 2])
    for size in range(0, len(whole), 7):
        refused_with(path, whole[:size])


def refused_with(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return refused(path)


def test_a_file_with_more_behind_it_is_refused(path: Path) -> None:
    assert "damaged" in refused_with(path, path.read_bytes() + b"\0")


def test_a_safetensors_file_of_another_program_is_refused(path: Path) -> None:
    path.write_bytes(safetensors.numpy.save({"a": np.zeros(2)}))
    assert "not a fastnet model" in refused(path)
    path.write_bytes(safetensors.numpy.save({"a": np.zeros(2)}, metadata={"format": "pt"}))
    assert "not a fastnet model" in refused(path)


def test_a_newer_format_is_refused_by_its_version(path: Path) -> None:
    rewrite(path, metadata={"format_version": "2", "fastnet_version": "9.8.7"})
    assert "written by a newer fastnet (9.8.7) in format version 2" in refused(path)


@pytest.mark.parametrize("version", [None, "", "0", "1.0", "x", "-1", "²"])
def test_an_unknown_format_version_is_refused(version: str | None, path: Path) -> None:
    rewrite(path, metadata={"format_version": version})
    assert "format version must be '1'" in refused(path)


def test_a_missing_tensor_is_named(path: Path) -> None:
    rewrite(path, tensors={"layers.1.dense.bias": None})
    assert refused(path) == "it lacks the tensor 'layers.1.dense.bias'"


def test_an_unknown_tensor_is_named(path: Path) -> None:
    rewrite(path, tensors={"layers.1.dense.gamma": np.zeros(4, np.float32)})
    assert refused(path) == "it has an unknown tensor 'layers.1.dense.gamma'"


def test_a_tensor_of_another_shape_is_named(path: Path) -> None:
    rewrite(path, tensors={"layers.1.dense.kernel": np.zeros((4, 3), np.float32)})
    assert refused(path) == "tensor 'layers.1.dense.kernel' must have shape (3, 4); got (4, 3)"


@pytest.mark.parametrize(("dtype", "name"), [(np.float64, "F64"), (np.float16, "F16"), (np.int32, "I32")])
def test_a_tensor_of_another_dtype_is_named(dtype: type, name: str, path: Path) -> None:
    rewrite(path, tensors={"layers.1.dense.bias": np.zeros(4, dtype)})
    assert refused(path) == f"tensor 'layers.1.dense.bias' must have dtype F32; got {name}"


def test_sizes_are_checked_before_memory_is_taken(path: Path) -> None:
    with_config(path, lambda config: config["layers"][1]["config"].update(units=10**12))
    assert "must have shape" in refused(path)
    with_config(path, lambda config: config.update(input_shape=[10**15]))
    assert "must have shape" in refused(path)


def test_an_unknown_layer_is_named(path: Path) -> None:
    with_config(path, lambda config: config["layers"][1].update(class_name="os.system"))
    assert "'os.system'" in refused(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config.pop("layers"),
        lambda config: config.pop("dtype"),
        lambda config: config.pop("input_shape"),
        lambda config: config.update(dtype="float16"),
        lambda config: config.update(dtype=["float32"]),
        lambda config: config.update(input_shape=None),
        lambda config: config.update(input_shape=[4]),
        lambda config: config.update(input_shape=[2**62] * 100_000),
        lambda config: config["layers"].insert(0, {"class_name": "InputLayer", "config": {"shape": [10**9]}}),
        lambda config: config.update(input_shape=[-3]),
        lambda config: config.update(input_shape="3"),
        lambda config: config.update(layers=[]),
        lambda config: config.update(layers={}),
        lambda config: config.update(layers=[None]),
        lambda config: config["layers"][1].update(config=None),
        lambda config: config["layers"][1].update(config={"units": 4, "surprise": 1}),
        lambda config: config["layers"][1]["config"].update(units="4"),
        lambda config: config["layers"][1]["config"].update(units=1e400),
        lambda config: config["layers"][1]["config"].update(activation="warp"),
        lambda config: config["layers"][1]["config"].update(activation={"class_name": "Dense"}),
        lambda config: config["layers"][1]["config"].update(kernel_initializer=17),
        lambda config: config["layers"][0]["config"].update(scale=float("nan")),
        lambda config: config["layers"][3]["config"].update(name="dense"),
    ],
)
def test_a_wrong_architecture_is_refused(change: Callable[[dict[str, Any]], Any], path: Path) -> None:
    with_config(path, change)
    refused(path)


def test_a_missing_entry_of_the_configuration_is_named(path: Path) -> None:
    with_config(path, lambda config: config.pop("name"))
    assert refused(path) == "the architecture lacks the entry 'name'"


def test_an_unknown_entry_of_the_architecture_is_named(path: Path) -> None:
    with_config(path, lambda config: config.update(surprise=1))
    assert refused(path) == "the architecture has an unknown entry 'surprise'"


def test_an_unknown_entry_of_a_layer_is_named(path: Path) -> None:
    with_config(path, lambda config: config["layers"][1].update(module="os"))
    assert refused(path) == "a configuration of the layer has an unknown entry 'module'"


@pytest.mark.parametrize("entry", [{"input_shape": [10**9]}, {"input_dim": 10**9}, {"name": None}])
def test_a_layer_that_would_build_the_model_by_itself_is_refused(entry: dict[str, Any], path: Path) -> None:
    with_config(path, lambda config: config["layers"][0]["config"].update(entry))
    assert "layer 0 must have a name, and no input shape" in refused(path)


@pytest.mark.parametrize("key", ["config", "compile", "class_names", "feature_names"])
@pytest.mark.parametrize("text", ["", "{", "17", "[1]", '{"a": 1}', "[" * 100_000, "1" * 10_000])
def test_metadata_that_make_no_sense_are_refused(key: str, text: str, path: Path) -> None:
    rewrite(path, metadata={key: text})
    refused(path)


@pytest.mark.parametrize("key", ["metrics", "receipt", "history"])
@pytest.mark.parametrize("text", ["", "{", "17", "[1]", '{"a":' * 100_000, "1" * 10_000])
def test_figures_and_receipts_that_make_no_sense_are_refused(key: str, text: str, path: Path) -> None:
    rewrite(path, metadata={key: text})
    refused(path)


def test_unknown_entries_of_the_metadata_are_passed_over(path: Path) -> None:
    """A later version may add some without a new format version."""
    rewrite(path, metadata={"mood": "good", "checksums": "?"})
    assert fn.load_model(path).get_config() == make_model().get_config()


@pytest.mark.parametrize(
    "config",
    [
        {"optimizer": "sgd", "loss": "mse", "metrics": ["elegance"]},
        {"optimizer": {"class_name": "Sgd?"}, "loss": "mse"},
        {"optimizer": {"class_name": "SGD", "config": {"learning_rate": "fast"}}, "loss": "mse"},
        {"optimizer": "sgd", "loss": "regret"},
        {"surprise": 1},
    ],
)
def test_a_wrong_compile_configuration_is_refused(config: dict[str, Any], path: Path) -> None:
    rewrite(path, metadata={"compile": json.dumps(config)})
    refused(path)
    fn.load_model(path, compile=False)
