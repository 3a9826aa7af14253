"""The server answers with what the model says, and tells what is wrong with a request that does not fit."""

import asyncio
import base64
import gzip
import io
import json
import re
import struct
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.applications import Starlette

import fastnet as fn
from asking import ask
from fastnet.serve import create_app

NPY = {"Content-Type": "application/x-npy"}


@pytest.fixture(scope="module")
def digits() -> fn.Sequential:
    layers = [fn.layers.Rescaling(1 / 255, input_shape=(8, 8)), fn.layers.Flatten(), fn.Dense(12), fn.layers.ReLU()]
    model = fn.Sequential([*layers, fn.Dense(3, "softmax")], seed=0, name="digits")
    model.class_names = ["one", "two", "three"]
    return model


@pytest.fixture(scope="module")
def app(digits: fn.Sequential) -> Starlette:
    return create_app(digits, max_batch=20, max_body=100_000)


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (5, 8, 8)).astype(np.uint8)


def as_npy(array: NDArray[np.generic]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npy_of(shape: bytes, size: int) -> bytes:
    """A file of numpy.save whose header says this shape, with so many bytes of data."""
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': " + shape + b", }\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(size)


# ---- Predictions ----------------------------------------------------------------------------------------------------


def test_instances_get_the_classes_and_probabilities_of_the_model(
    app: Starlette, digits: fn.Sequential, images: NDArray[np.uint8]
) -> None:
    answer = ask(app, "POST", "/predict", json={"instances": images.tolist()})
    expected = digits.predict(images)
    predictions = answer.json()["predictions"]
    assert answer.status_code == 200
    np.testing.assert_allclose([one["probabilities"] for one in predictions], expected, rtol=1e-6)
    for one, row in zip(predictions, expected, strict=True):
        assert (one["index"], one["class"]) == (row.argmax(), ["one", "two", "three"][row.argmax()])
        assert one["probability"] == max(one["probabilities"])


def test_one_instance_may_be_a_flat_list(app: Starlette, images: NDArray[np.uint8]) -> None:
    nested = ask(app, "POST", "/predict", json={"instance": images[0].tolist()})
    flat = ask(app, "POST", "/predict", json={"instance": images[0].ravel().tolist()})
    assert nested.json() == flat.json()


def test_an_npy_body_gets_the_same_predictions_and_an_npy_answer_on_request(
    app: Starlette, digits: fn.Sequential, images: NDArray[np.uint8]
) -> None:
    as_json = ask(app, "POST", "/predict", json={"instances": images.tolist()})
    assert ask(app, "POST", "/predict", content=as_npy(images), headers=NPY).json() == as_json.json()
    answer = ask(app, "POST", "/predict", content=as_npy(images), headers={**NPY, "Accept": "application/x-npy"})
    assert answer.headers["content-type"] == "application/x-npy"
    np.testing.assert_array_equal(np.load(io.BytesIO(answer.content)), digits.predict(images))


def test_a_layer_of_units_is_explained_by_what_its_activation_gives(
    app: Starlette, digits: fn.Sequential, images: NDArray[np.uint8]
) -> None:
    answer = ask(app, "POST", "/explain", json={"instance": images[0].tolist()}).json()
    inside = digits.activations(images[:1])
    assert [(layer["name"], layer["activation"]) for layer in answer["layers"]] == [
        ("dense", "relu"),
        ("dense_1", "softmax"),
    ]
    np.testing.assert_allclose(answer["layers"][0]["output"], inside["re_lu"][0], rtol=1e-6)
    np.testing.assert_allclose(answer["probabilities"], inside["dense_1"][0], rtol=1e-6)
    assert answer["classes"] == ["one", "two", "three"]


def test_a_residual_block_is_explained_by_its_sum() -> None:
    block = fn.layers.Residual([fn.Dense(6, "tanh"), fn.Dense(6)])
    model = fn.Sequential([fn.Dense(6, "relu", input_shape=(4,)), block, fn.Dense(2, "softmax")], seed=0)
    instance = np.array([[1.0, -2.0, 3.0, 0.5]])
    layers = ask(create_app(model), "POST", "/explain", json={"instance": instance[0].tolist()}).json()["layers"]
    assert [layer["activation"] for layer in layers] == ["relu", "linear", "softmax"]
    for layer, (name, output) in zip(layers, model.activations(instance).items(), strict=True):
        assert layer["name"] == name
        np.testing.assert_allclose(layer["output"], output[0], rtol=1e-5)


def test_the_weights_of_the_first_layer_come_as_pictures(app: Starlette, digits: fn.Sequential) -> None:
    weights = ask(app, "GET", "/weights").json()
    pictures = np.frombuffer(base64.b64decode(weights["data"]), np.int8).reshape(weights["units"], *weights["shape"])
    kernel = digits.layers[2].get_weights()[0]
    assert weights["shape"] == [8, 8]
    np.testing.assert_allclose(pictures.reshape(12, 64).T * weights["scale"], kernel, atol=weights["scale"] / 2)


def test_a_model_of_values_answers_with_values() -> None:
    model = fn.Sequential([fn.Dense(2, input_shape=(3,))], seed=0, dtype="float64")
    app = create_app(model)
    expected = model.predict(np.ones((2, 3)))
    assert ask(app, "POST", "/predict", json={"instances": [[1, 1, 1]] * 2}).json() == {
        "predictions": expected.tolist()
    }
    explained = ask(app, "POST", "/explain", json={"instance": [1, 1, 1]}).json()
    assert (explained["classes"], explained["probabilities"]) == (None, None)
    assert explained["values"] == expected[0].tolist()


def test_instances_may_name_their_numbers() -> None:
    model = fn.Sequential([fn.Dense(2, input_shape=(3,))], seed=0)
    model.feature_names = ["width", "height", "depth"]
    app = create_app(model)

    def predictions(**body: Any) -> Any:
        return ask(app, "POST", "/predict", json=body).json()["predictions"]

    expected = predictions(instances=[[1, 2, 3], [4, 5, 6]])
    mixed = [{"depth": 3, "width": 1, "height": 2}, [4, 5, 6]]
    assert predictions(instances=mixed) == expected
    assert predictions(instance=mixed[0]) == expected[:1]
    named, ordered = (
        ask(app, "POST", "/explain", json={"instance": instance}).json()["values"] for instance in (mixed[0], [1, 2, 3])
    )
    assert named == ordered
    instance = ask(app, "GET", "/openapi.json").json()["components"]["schemas"]["Instance"]
    assert instance["anyOf"][1]["required"] == ["width", "height", "depth"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"instance": {"width": 1, "height": 2}}', "instance: The feature names should match .* missing: 'depth'"),
        (
            b'{"instances": [[1, 2, 3], {"width": 1, "heigth": 2, "depth": 3}]}',
            r"instances\[1\]: The feature names .* unseen at fit time: 'heigth' \(did you mean 'height'\?\)",
        ),
        (b'{"instance": {"width": 1, "height": 2, "depth": 3, "x": 4}}', "unseen at fit time: 'x'"),
        (b'{"instance": {"width": 1, "height": 2, "depth": 3, "width": 4}}', "must have each name once"),
        (b'{"instances": [{"width": 1, "height": 2, "depth": 3, "depth": 3}]}', "must have each name once"),
        (
            b'{"instance": {"width": 1, "height": "2", "depth": 3}}',
            r'^instance\["height"\] must be a number; got \'2\' \(str\)$',
        ),
        (
            b'{"instances": [[1, 2, 3], {"depth": [3], "width": 1, "height": 2}]}',
            r'^instances\[1\]\["depth"\] must be a number; got a list of 1$',
        ),
        (b'{"instance": {}}', "missing: 'width', 'height', 'depth'"),
    ],
)
def test_numbers_of_other_names_are_refused(body: bytes, message: str) -> None:
    model = fn.Sequential([fn.Dense(2, input_shape=(3,))], seed=0)
    for names in (["width", "height", "depth"], None, ["a", "a", "b"]):
        model.feature_names = names
        answer = ask(create_app(model), "POST", "/predict", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422
        if names is None or len({*names}) < 3:
            message = "must have 3 numbers, because the model knows no names of features; got an object"
            assert message in answer.json()["error"] or "each name once" in answer.json()["error"]
        else:
            assert re.search(message, answer.json()["error"])


def test_one_output_is_the_probability_of_the_second_of_two_classes() -> None:
    model = fn.Sequential([fn.Dense(1, "sigmoid", input_shape=(2,))], seed=0)
    (prediction,) = ask(create_app(model), "POST", "/predict", json={"instance": [1, 2]}).json()["predictions"]
    second = float(model.predict(np.array([[1, 2]]))[0, 0])
    np.testing.assert_allclose(prediction["probabilities"], [1 - second, second], rtol=1e-6)
    assert prediction["class"] == str(int(second > 0.5))


def test_a_quantized_model_is_served_without_its_inside(digits: fn.Sequential, images: NDArray[np.uint8]) -> None:
    small = digits.quantize(images)
    app = create_app(small)
    answer = ask(app, "POST", "/predict", json={"instances": images.tolist()}).json()
    np.testing.assert_allclose(
        [row["probabilities"] for row in answer["predictions"]], small.predict(images), rtol=1e-6
    )
    assert ask(app, "POST", "/explain", json={"instance": images[0].tolist()}).json()["layers"] == []
    assert ask(app, "GET", "/weights").status_code == 404


def test_the_facts_of_the_model_are_told(app: Starlette, digits: fn.Sequential) -> None:
    facts = ask(app, "GET", "/model").json()
    assert (facts["name"], facts["classes"]) == ("digits", ["one", "two", "three"])
    assert (facts["input_shape"], facts["parameters"]) == ([8, 8], digits.count_params())
    assert facts["layers"][2] == {"name": "dense", "type": "Dense", "activation": "linear", "units": 12}
    assert facts["layers"][3] == {"name": "re_lu", "type": "ReLU", "activation": "relu", "units": None}
    assert facts["fastnet_version"] == fn.__version__


def test_the_page_may_load_nothing_from_elsewhere(app: Starlette) -> None:
    page = ask(app, "GET", "/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"].split("; ")
    assert {"default-src 'self'", "frame-ancestors 'none'", "form-action 'none'", "base-uri 'none'"} <= set(policy)


def test_the_documentation_is_small_and_its_policy_lets_nothing_in(app: Starlette) -> None:
    files = [ask(app, "GET", address) for address in ("/docs", "/docs.js", "/docs.css")]
    kinds = [file.headers["content-type"].partition(";")[0].partition("/")[2] for file in files]
    assert kinds == ["html", "javascript", "css"]
    assert sum(len(file.content) for file in files) < 20_000
    assert "default-src 'self'" in files[0].headers["content-security-policy"]


# ---- Requests that do not fit ---------------------------------------------------------------------------------------

GOOD = [0.5] * 64


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 400, "not valid JSON"),
        (b"{'instance': 1}", 400, "not valid JSON"),
        (b'{"instance": [NaN]}', 400, "not valid JSON"),
        (b'{"instance": [1e999]}', 400, "out of range"),
        (b"\xff\xfe", 400, "not valid JSON"),
        (b'{"instance": "\xff"}', 400, "not valid JSON"),
        (b"[" * 90_000, 400, "nested too deeply"),
        (b"[1, 2]", 422, "got a list of 2"),
        (b"{}", 422, 'must be {"instances": [...]} or {"instance": [...]}; got 0 entries: none'),
        (b'{"data": []}', 422, "got 1 entries: 'data' (str)"),
        (b'{"instance": [], "instances": []}', 422, "got 2 entries"),
        (b'{"instances": 3}', 422, "instances must be a list of instances; got 3 (int)"),
        (b'{"instances": []}', 422, "at least one instance"),
        (b'{"instances": [null]}', 422, "instances[0] must have 8 x 8 numbers, nested or as one list; got null"),
        (b'{"instance": [[1, 2], [3]]}', 422, "must have 8 x 8 numbers, nested or as one list; got a list of 2"),
    ],
)
def test_a_body_that_is_not_what_is_asked_for_is_refused(
    app: Starlette, body: bytes, status: int, message: str
) -> None:
    answer = ask(app, "POST", "/predict", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert message in answer.json()["error"]


@pytest.mark.parametrize(
    ("instance", "message"),
    [
        ([*GOOD[1:], "1"], "instance[63] must be a number; got '1' (str)"),
        ([*GOOD[1:], True], "instance[63] must be a number; got true"),
        ([None, *GOOD[1:]], "instance[0] must be a number; got null"),
        ([*GOOD[1:], [1]], "instance[63] must be a number; got a list of 1"),
        ([*GOOD[1:], 1e31], "numbers from -1e+30 to 1e+30"),
        ([*GOOD[1:], 10**400], "numbers from -1e+30 to 1e+30"),
        ([*[[0] * 8] * 7, [0] * 7], "instance[7] must be a list of 8 numbers; got a list of 7"),
        ([*[[0] * 8] * 7, 3], "instance[7] must be a list of 8 numbers; got 3 (int)"),
    ],
)
def test_a_number_that_is_none_is_named(app: Starlette, instance: list[Any], message: str) -> None:
    for address in ("/predict", "/explain"):
        answer = ask(app, "POST", address, json={"instance": instance})
        assert answer.status_code == 422
        assert message in answer.json()["error"]


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        (b"", 400, "not a file of numpy.save"),
        (b"\x93NUMPY\x01\x00", 400, "not a file of numpy.save"),
        (as_npy(np.zeros((2, 8, 8)))[:-1], 400, "does not take 1,023 bytes"),
        (as_npy(np.zeros((2, 7, 8))), 422, "must have shape (n, 8, 8); got (2, 7, 8)"),
        (as_npy(np.zeros((0, 8, 8))), 422, "at least one instance"),
        (as_npy(np.full((1, 8, 8), np.nan)), 422, "numbers from"),
        (as_npy(np.zeros((1, 8, 8), "c8")), 422, "must hold real numbers of 64 bits at most; got dtype complex64"),
        (as_npy(np.zeros((1, 8, 8), "M8[s]")), 422, "must hold real numbers"),
        (as_npy(np.zeros(1)).replace(b"(1,)", b"(-1,)"), 400, "does not take"),
        (as_npy(np.zeros(1)).replace(b"(1,), ", b"9**9**9,"), 400, "not a file of numpy.save"),
        (npy_of(b"(True, 8, 8)", 512), 400, "shape (True, 8, 8) and dtype float64 does not take 512 bytes"),
        (npy_of(b"(8, True, 8)", 512), 400, "does not take"),
        (npy_of(b"(-1, -8, 8)", 512), 400, "does not take"),
        (npy_of(b"(0, %d)" % 10**30, 0), 400, "does not take"),
        (npy_of(b"(%d, 0)" % 2**63, 0), 400, "does not take"),
        (npy_of(b"(%d, 4)" % 2**62, 128), 400, "does not take"),
        (npy_of(b"(" + b"1, " * 70 + b"64)", 512), 400, "the array has 71 dimensions"),
        (npy_of(b"(1.0, 8, 8)", 512), 400, "not a file of numpy.save"),
        (npy_of(b"((1, 8), 8)", 512), 400, "not a file of numpy.save"),
        (npy_of(b"[1, 8, 8]", 512), 400, "not a file of numpy.save"),
        (npy_of(b"(None, 8, 8)", 512), 400, "not a file of numpy.save"),
        (npy_of(b"64", 512), 400, "not a file of numpy.save"),
        (npy_of(b"(" * 1000 + b")" * 1000, 512), 400, "not a file of numpy.save"),
    ],
)
def test_an_npy_body_that_does_not_fit_is_refused(app: Starlette, content: bytes, status: int, message: str) -> None:
    answer = ask(app, "POST", "/predict", content=content, headers=NPY)
    assert answer.status_code == status
    assert message in answer.json()["error"]


def test_an_npy_body_of_objects_is_not_unpickled(app: Starlette) -> None:
    stream = io.BytesIO()
    np.save(stream, np.array([print], object), allow_pickle=True)
    answer = ask(app, "POST", "/predict", content=stream.getvalue(), headers=NPY)
    assert (answer.status_code, "dtype object" in answer.json()["error"]) == (422, True)


def test_any_order_of_bytes_and_axes_is_read(app: Starlette, images: NDArray[np.uint8]) -> None:
    expected = ask(app, "POST", "/predict", content=as_npy(images), headers=NPY).json()
    for array in (np.asfortranarray(images), images.astype(">f4"), images.astype("<i8"), images.astype("f2")):
        assert ask(app, "POST", "/predict", content=as_npy(array), headers=NPY).json() == expected


@pytest.mark.parametrize(
    ("method", "address", "headers", "status"),
    [
        ("GET", "/nothing", {}, 404),
        ("GET", "/predict/", {}, 404),
        ("GET", "/../pyproject.toml", {}, 404),
        ("GET", "/predict", {}, 405),
        ("DELETE", "/model", {}, 405),
        ("POST", "/predict", {"Content-Type": "text/csv"}, 415),
        ("POST", "/explain", NPY, 415),
        ("POST", "/predict", {}, 415),
        ("POST", "/predict", {"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415),
        ("POST", "/explain", {"Content-Type": "application/json", "Content-Encoding": "br"}, 415),
    ],
)
def test_what_is_not_there_is_refused_as_json(
    app: Starlette, method: str, address: str, headers: dict[str, str], status: int
) -> None:
    answer = ask(app, method, address, headers=headers)
    assert answer.status_code == status
    assert isinstance(answer.json()["error"], str)
    assert ("allow" in answer.headers) == (status == 405)


def test_a_body_that_is_encoded_is_refused_by_its_encoding(app: Starlette, images: NDArray[np.uint8]) -> None:
    def post(encoding: str, content: bytes) -> httpx.Response:
        headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
        return ask(app, "POST", "/predict", content=content, headers=headers)

    body = json.dumps({"instances": images.tolist()}).encode()
    answer = post("gzip", gzip.compress(body))
    assert (answer.status_code, answer.json()["error"]) == (
        415,
        "Content-Encoding gzip is not accepted; send the body without it",
    )
    assert post("Identity", body).status_code == 200


# ---- Limits ---------------------------------------------------------------------------------------------------------


def test_too_many_instances_are_refused(app: Starlette) -> None:
    answer = ask(app, "POST", "/predict", json={"instances": [GOOD] * 21})
    assert (answer.status_code, answer.json()["error"]) == (422, "a request may have at most 20 instances; got 21")


def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(app: Starlette) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b" " * 10_000

    for content in (b" " * 110_000, parts()):
        answer = ask(app, "POST", "/predict", content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, "at most 100,000 bytes" in answer.json()["error"]) == (413, True)


def test_a_body_that_does_not_come_in_is_refused_in_time(digits: fn.Sequential) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(20)

    app = create_app(digits, timeout=0.05)
    answer = ask(app, "POST", "/predict", content=parts(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (408, "the body did not arrive within 0.05 seconds")
    assert answer.headers["connection"] == "close"


def test_a_model_that_takes_too_long_is_given_up(digits: fn.Sequential, images: NDArray[np.uint8]) -> None:
    def slow(rows: NDArray[Any]) -> NDArray[Any]:
        time.sleep(0.2)
        return digits(rows)

    large = fn.Sequential([fn.Dense(2**12, input_shape=(2**10,)), fn.Dense(2, "softmax")])  # so that a thread is used
    app = create_app(large, predict=slow, timeout=0.05)
    answer = ask(app, "POST", "/predict", json={"instance": [0] * 2**10})
    assert (answer.status_code, "did not answer within 0.05 seconds" in answer.json()["error"]) == (503, True)


def test_outputs_that_are_not_finite_are_an_error_of_their_own_request() -> None:
    model = fn.Sequential([fn.Dense(2, "exponential", input_shape=(2,))])
    model.set_weights([np.ones((2, 2)), np.zeros(2)])
    app = create_app(model)
    assert ask(app, "POST", "/predict", json={"instance": [1, 1]}).status_code == 200
    answer = ask(app, "POST", "/predict", json={"instance": [100, 100]})
    assert (answer.status_code, "not finite" in answer.json()["error"]) == (422, True)


def post_and_fail(app: Starlette) -> None:
    async def post() -> Any:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://fastnet") as asking:
            return await asking.post("/predict", json={"instance": GOOD})

    answer = asyncio.run(post())
    assert (answer.status_code, answer.json()) == (500, {"error": "internal server error; see the log of the server"})


def test_a_failure_of_the_server_shows_no_traceback(digits: fn.Sequential) -> None:
    def broken(rows: NDArray[Any]) -> NDArray[Any]:
        raise RuntimeError("secret")

    post_and_fail(create_app(digits, predict=broken))


@pytest.mark.parametrize(
    ("outputs", "got"), [(np.full((1, 5), 0.2), (1, 5)), (np.ones(1), (1,)), (np.ones((2, 3)), (2, 3)), (None, ())]
)
def test_outputs_of_a_function_that_do_not_fit_the_model_are_such_a_failure(
    outputs: Any, got: tuple[int, ...], digits: fn.Sequential, caplog: pytest.LogCaptureFixture
) -> None:
    post_and_fail(create_app(digits, predict=lambda _: outputs))
    (error,) = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert str(error) == f"predict must return outputs of shape (1, 3), a row for each instance; got shape {got}"


def test_a_model_without_weights_cannot_be_served() -> None:
    with pytest.raises(ValueError, match="model must be built"):
        create_app(fn.Sequential([fn.Dense(3)]))


@pytest.mark.parametrize("limit", ["max_batch", "max_body", "timeout"])
def test_limits_must_be_positive(digits: fn.Sequential, limit: str) -> None:
    with pytest.raises(ValueError, match=f"{limit} must be at least"):
        create_app(digits, **{limit: 0})


@pytest.mark.parametrize(
    "model", [fn.Sequential([fn.Dense(3, input_shape=(7,))]), fn.Sequential([fn.layers.ReLU(input_shape=(4,))])]
)
def test_weights_that_are_no_pictures_are_not_there(model: fn.Sequential) -> None:
    answer = ask(create_app(model), "GET", "/weights")
    assert (answer.status_code, list(answer.json())) == (404, ["error"])
