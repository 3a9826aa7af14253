"""Models of images: data, outputs of several dimensions, files, tables and exporters."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from fastnet import layers
from fastnet.layers import (
    BatchNormalization,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Flatten,
    GlobalAveragePooling2D,
    Input,
    MaxPooling2D,
    PReLU,
    Residual,
    SeparableConv2D,
    SpatialDropout2D,
)

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 8, 8)).astype(np.uint8)
LABELS = (IMAGES[:, :4].mean(axis=(1, 2)) > IMAGES[:, 4:].mean(axis=(1, 2))).astype(int)


def classifier(*first: layers.Layer, **keywords: Any) -> fn.Sequential:
    block = Residual([BatchNormalization(), Conv2D(4, 3, padding="same", activation="relu"), SpatialDropout2D(0.1)])
    model = fn.Sequential(
        [
            *(first or (Input((8, 8, 1)),)),
            layers.Rescaling(1 / 255),
            Conv2D(4, 3, activation="relu"),
            MaxPooling2D(2),
            block,
            SeparableConv2D(3, 2, activation="elu"),
            PReLU("ones", shared_axes=[1, 2]),
            Flatten(),
            Dense(2, "softmax"),
        ],
        seed=0,
        **keywords,
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def autoencoder() -> fn.Sequential:
    small = Conv2D(2, 3, strides=2, padding="same", activation="tanh")
    return fn.Sequential(
        [Input((8, 8, 1)), small, Conv2DTranspose(1, 3, strides=2, padding="same", activation="sigmoid")],
        seed=0,
        dtype="float64",
    )


# --- Samples ---------------------------------------------------------------------------------------------------------


def test_a_last_axis_of_1_may_be_missing_or_added() -> None:
    model = classifier()
    with_channel = IMAGES[..., None]
    expected = model.predict(with_channel)
    assert_array_equal(model.predict(IMAGES), expected)
    assert_array_equal(model(IMAGES), expected)
    assert_array_equal(model.predict_on_batch(IMAGES), expected)
    assert model.evaluate(IMAGES, LABELS, verbose=0) == model.evaluate(with_channel, LABELS, verbose=0)
    flat = fn.Sequential([Flatten(input_shape=(8, 8)), Dense(2)], seed=0)
    assert_array_equal(flat.predict(with_channel), flat.predict(IMAGES))


def test_training_is_the_same_with_and_without_the_last_axis() -> None:
    models = [classifier(), classifier()]
    for model, x in zip(models, (IMAGES, IMAGES[..., None]), strict=True):
        model.fit(x, LABELS, epochs=2, batch_size=16, verbose=0, validation_data=(x, LABELS))
    first, second = models
    assert first.history is not None
    assert second.history is not None
    assert first.history.history == second.history.history
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        assert_array_equal(a, b)


@pytest.mark.parametrize("shape", [(40, 64), (40, 8, 8, 3), (40, 1, 8, 8), (8, 8, 1)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"x must have shape \(samples, 8, 8, 1\); got"):
        classifier().predict(np.zeros(shape))


def test_bytes_and_floats_give_the_same_outputs() -> None:
    model = classifier()
    assert_array_equal(model.predict(IMAGES), model.predict(IMAGES.astype(np.float32)))
    strided = np.asfortranarray(IMAGES)[::-1]
    assert_array_equal(model.predict(strided), model.predict(np.ascontiguousarray(strided)))


def test_a_model_is_built_for_the_images_that_it_sees() -> None:
    model = fn.Sequential([Conv2D(4, 3), GlobalAveragePooling2D(), Dense(2, "softmax")], seed=0)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(IMAGES[..., None], LABELS, epochs=1, verbose=0)
    assert model.input_shape == (8, 8, 1)
    with pytest.raises(ValueError, match=r"Reshape\(\(8, 8, 1\)\) before it adds an axis"):
        fn.Sequential([Conv2D(4, 3), Flatten(), Dense(2)]).predict(IMAGES)


def test_sequences_train() -> None:
    x = RNG.standard_normal((200, 10, 2))
    y = (x[:, :, 0].sum(axis=1) > 0).astype(int)
    model = fn.Sequential(
        [Conv1D(8, 3, activation="relu"), layers.GlobalAveragePooling1D(), Dense(1, "sigmoid")], seed=0
    )
    model.compile(fn.optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=30, verbose=0).history
    assert history["accuracy"][-1] > 0.9


# --- Outputs of several dimensions -----------------------------------------------------------------------------------


def test_outputs_keep_their_shape() -> None:
    model = autoencoder()
    x = IMAGES[..., None] / 255
    outputs = model.predict(x)
    assert outputs.shape == (40, 8, 8, 1)
    assert_array_equal(model(x), outputs)
    assert_array_equal(np.concatenate([model.predict_on_batch(x[:13]), model.predict_on_batch(x[13:])]), outputs)
    assert {name: array.shape for name, array in model.activations(x[:3]).items()} == {
        "conv2d": (3, 4, 4, 2),
        "conv2d_transpose": (3, 8, 8, 1),
    }
    assert model.jacobian(x[0]).shape == (8, 8, 1, 8, 8, 1)


@pytest.mark.parametrize("channel", [True, False])
def test_a_loss_of_images_is_the_mean_over_all_their_values(channel: bool) -> None:
    model = autoencoder()
    x = IMAGES / 255
    y = x[..., None] if channel else x
    model.compile("adam", "mse", metrics=["mae", "accuracy", "binary_accuracy"])
    loss, mae, accuracy, binary = model.evaluate(x, y, verbose=0)
    outputs = model.predict(x)[..., 0]
    assert_allclose(loss, np.square(outputs - x).mean(), rtol=1e-12)
    assert_allclose(mae, np.abs(outputs - x).mean(), rtol=1e-12)
    assert accuracy == binary == pytest.approx(((outputs > 0.5) == x).mean())
    weight = np.arange(40.0)
    weighted = model.evaluate(x, y, verbose=0, sample_weight=weight)[0]
    assert_allclose(weighted, (weight * np.square(outputs - x).mean(axis=(1, 2))).mean(), rtol=1e-12)
    assert model.input_gradients(x, y).shape == x.shape
    history = model.fit(x, y, epochs=5, verbose=0, validation_split=0.1).history
    assert history["loss"][-1] < history["loss"][0]


@pytest.mark.parametrize(
    ("loss", "metrics", "wrong"),
    [
        ("categorical_crossentropy", [], "categorical_crossentropy"),
        ("cosine_similarity", [], "cosine_similarity"),
        (fn.losses.MeanSquaredError("sum"), [], "mean_squared_error"),
        (lambda y_true, y_pred: (0.0, 0 * (y_pred + y_true)), [], "<lambda>"),
        ("mse", ["categorical_accuracy"], "categorical_accuracy"),
        ("mse", ["r2_score"], "r2_score"),
        ("mse", [lambda y_true, y_pred: 0.0 * len(y_true + y_pred)], "lambda"),
    ],
)
def test_a_loss_or_metric_of_rows_is_refused_for_images(loss: Any, metrics: list[Any], wrong: str) -> None:
    model = autoencoder()
    model.compile("adam", loss, metrics=metrics)
    message = rf"^{wrong} takes outputs of one dimension; those of the model have shape \(8, 8, 1\): end it in Flatten"
    with pytest.raises(ValueError, match=message):
        model.fit(IMAGES, IMAGES / 255, verbose=0)


def test_accuracy_of_several_channels_is_refused() -> None:
    model = fn.Sequential([Input((8, 8, 1)), Conv2D(2, 1)])
    model.compile("adam", "mse", metrics=["accuracy"])
    with pytest.raises(ValueError, match="accuracy takes outputs of one dimension"):
        model.evaluate(IMAGES, np.zeros((40, 8, 8, 2)), verbose=0)


def test_targets_of_images_must_fit() -> None:
    model = autoencoder()
    model.compile("adam", "mse")
    with pytest.raises(ValueError, match=r"y must have shape \(40, 8, 8, 1\) for mean_squared_error; got \(40, 64\)"):
        model.fit(IMAGES, IMAGES.reshape(40, 64), verbose=0)
    with pytest.raises(ValueError, match=r"class_weight needs one label for every sample; outputs have shape"):
        model.fit(IMAGES, IMAGES / 255, verbose=0, class_weight={0: 2.0})


# --- Files and tables ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("teams_of_any_size")
@pytest.mark.parametrize("threads", [1, 2])
def test_batch_normalization_has_the_moments_of_all_images_of_a_batch(threads: int) -> None:
    first = [layers.Conv2D(16, 3, use_bias=False, input_shape=(26, 26, 1)), layers.BatchNormalization(momentum=0.0)]
    model = fn.Sequential([*first, layers.GlobalAveragePooling2D(), layers.Dense(2)], seed=0)
    model.compile(fn.optimizers.SGD(1e-6), "mse")
    x = np.random.default_rng(0).random((24, 26, 26, 1), np.float32)  # more images than a block of the core
    maps = model.activations(x)["conv2d"]
    fn.set_num_threads(threads)
    model.fit(x, np.zeros((24, 2)), batch_size=24, epochs=1, verbose=0)
    assert_allclose(first[1].get_weights()[2], maps.mean(axis=(0, 1, 2)), rtol=1e-4, atol=1e-6)


def test_a_model_file_keeps_everything(tmp_path: Path) -> None:
    model = classifier()
    model.fit(IMAGES, LABELS, epochs=1, verbose=0)
    model.save(tmp_path / "cnn.safetensors")
    again = fn.load_model(tmp_path / "cnn.safetensors")
    assert isinstance(again, fn.Sequential)
    assert again.get_config() == model.get_config()
    assert_array_equal(again.predict(IMAGES), model.predict(IMAGES))
    for a, b in zip(again.get_weights(), model.get_weights(), strict=True):
        assert_array_equal(a, b)


def test_a_file_with_a_kernel_of_another_shape_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cnn.safetensors"
    fn.Sequential([Input((5, 5, 2)), Conv2D(3, 2)], seed=0).save(path)
    with safetensors.safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    arrays = safetensors.numpy.load_file(path)
    arrays["layers.0.conv2d.kernel"] = arrays["layers.0.conv2d.kernel"].reshape(2, 2, 3, 2)
    path.write_bytes(safetensors.numpy.save(arrays, metadata=metadata))
    with pytest.raises(ValueError, match=r"conv2d\.kernel' must have shape \(2, 2, 2, 3\); got \(2, 2, 3, 2\)"):
        fn.load_model(path)


def test_the_summary_grows_with_the_names_of_layers(capsys: pytest.CaptureFixture[str]) -> None:
    model = fn.Sequential(
        [Input((28, 28, 1)), Conv2D(32, 3), DepthwiseConv2D(3), GlobalAveragePooling2D(), Dense(10, "softmax")]
    )
    model.summary()
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:8] == [
        " Layer (type)                                       Output Shape        Param #  FLOPs",
        "=" * 88,
        " conv2d (Conv2D)                                    (None, 26, 26, 32)  320      411,008",
        " depthwise_conv2d (DepthwiseConv2D)                 (None, 24, 24, 32)  320      350,208",
        " global_average_pooling2d (GlobalAveragePooling2D)  (None, 32)          0        18,432",
        " dense (Dense)                                      (None, 10)          330      660",
    ]
    model.summary(line_length=50)
    assert "=" * 50 in capsys.readouterr().out.splitlines()


def test_a_block_of_convolutions_is_added_to_its_input() -> None:
    block = Residual([Conv2D(3, 3, padding="same", activation="relu"), BatchNormalization(), Conv2D(2, 1)])
    model = fn.Sequential([Input((5, 5, 2)), block], seed=0, dtype="float64")
    x = RNG.standard_normal((3, 5, 5, 2))
    inner = fn.Sequential(
        [Input((5, 5, 2)), Conv2D(3, 3, padding="same", activation="relu"), BatchNormalization(), Conv2D(2, 1)],
        dtype="float64",
    )
    inner.set_weights(model.get_weights())
    assert_allclose(model.predict(x), x + inner.predict(x), rtol=1e-12)
    assert block.weight_names[0] == "0.conv2d.kernel"
    with pytest.raises(ValueError, match=r"of shape \(3, 3, 2\): the shapes must be the same"):
        fn.Sequential([Input((5, 5, 2)), Residual([Conv2D(2, 3)])])


# --- Other formats ---------------------------------------------------------------------------------------------------


def test_normalizations_of_channels_are_exported_for_every_value() -> None:
    from fastnet.operations.evaluation import compute
    from fastnet.operations.making import operations_of

    normalization = layers.Normalization()
    x = RNG.standard_normal((6, 4, 5, 3))
    normalization.adapt(x)
    parts = [Input((4, 5, 3)), normalization, BatchNormalization(), PReLU("ones", shared_axes=[1, 2])]
    model = fn.Sequential([*parts, Flatten(), Dense(2, "softmax")], seed=0, dtype="float64")
    rng = np.random.default_rng(1)
    model.set_weights([rng.random(array.shape) + 0.5 for array in model.get_weights()])
    assert_allclose(compute(operations_of(model), x.reshape(6, -1)), model.predict(x), rtol=1e-12)
