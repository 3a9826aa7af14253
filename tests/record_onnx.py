"""Record ONNX files of PyTorch, scikit-learn and Keras, and what the models in them predict, for test_onnx_import.py.

usage: KERAS_BACKEND=torch python tests/record_onnx.py

Needs torch, onnxscript, scikit-learn, skl2onnx and keras, which the tests do not. Everything goes to tests/data/onnx.zip.
Notes about source lines, most of the bytes that PyTorch's newer exporter writes, are removed.
"""

import json
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ARCHIVE = Path(__file__).parent / "data" / "onnx.zip"
TORCH_OPSETS = {"script": (13, 17, 20), "dynamo": (18, 20)}
RNG = np.random.default_rng(0)


# ---- PyTorch --------------------------------------------------------------------------------------------------------


def torch_models() -> dict[str, tuple[Any, tuple[int, ...]]]:
    """Return modules with the shape of a sample."""
    import torch
    from torch import nn

    class Residual(nn.Module):
        def __init__(self, *layers: nn.Module) -> None:
            super().__init__()
            self.inner = nn.Sequential(*layers)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.inner(x)

    class View(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.view(x.size(0), -1)

    torch.manual_seed(0)
    norm = nn.BatchNorm1d(6)
    inner = nn.BatchNorm1d(6)
    activations = [nn.GELU(), nn.SiLU(), nn.Mish(), nn.PReLU(), nn.Softplus(), nn.GELU("tanh"), nn.Hardsigmoid()]
    more = [nn.LeakyReLU(0.1), nn.ELU(0.7), nn.SELU(), nn.Softsign(), nn.Tanh(), nn.Sigmoid()]
    block = Residual(nn.LayerNorm(6), nn.Linear(6, 6), nn.GELU(), nn.Dropout(0.1), nn.Linear(6, 6))
    models = {
        "mlp": (nn.Sequential(nn.Flatten(), nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3), nn.Softmax(1)), (2, 2)),
        "norms": (nn.Sequential(View(), nn.Linear(4, 6), norm, nn.ReLU(), nn.Dropout(0.5), inner, nn.PReLU(6)), (2, 2)),
        "activations": (nn.Sequential(*interleaved(nn.Linear, activations + more)), (4,)),
        "activations_in_a_row": (nn.Sequential(nn.Linear(4, 6), *activations[:5], nn.LogSoftmax(1)), (4,)),
        "residual": (
            nn.Sequential(nn.Linear(4, 6), nn.ReLU(), block, Residual(Residual(nn.Linear(6, 6)), norm), nn.SiLU()),
            (4,),
        ),
        "no_bias": (nn.Sequential(nn.Linear(4, 6, bias=False), nn.Tanh(), nn.Linear(6, 1, bias=False)), (4,)),
    }
    for module in (norm, inner):
        for weight in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
            weight.copy_(torch.rand(6) + 0.5)
    return {name: (module.eval(), shape) for name, (module, shape) in models.items()}


def interleaved(linear: Any, activations: list[Any]) -> Iterator[Any]:
    for activation in activations:
        yield linear(4, 4)
        yield activation


def record_torch(folder: Path) -> Iterator[dict[str, Any]]:
    import torch

    for name, (module, shape) in torch_models().items():
        x = torch.from_numpy(RNG.normal(size=(5, *shape)).astype(np.float32))
        with torch.no_grad():
            y = module(x).numpy()
        for exporter, opsets in TORCH_OPSETS.items():
            for opset in opsets:
                path = folder / f"torch_{name}_{exporter}_{opset}.onnx"
                options: dict[str, Any] = {"dynamo": False, "input_names": ["x"], "dynamic_axes": {"x": {0: "n"}}}
                if exporter == "dynamo":
                    batch = torch.export.Dim("n")
                    options = {
                        "dynamo": True,
                        "dynamic_shapes": ({0: batch},),
                        "external_data": False,
                        "verbose": False,
                    }
                torch.onnx.export(module, (x,), path, opset_version=opset, **options)
                strip(path)
                yield entry(path, x.numpy(), y)
    path = folder / "torch_external.onnx"
    module = torch.nn.Sequential(torch.nn.Linear(20, 30), torch.nn.ReLU(), torch.nn.Linear(30, 2)).eval()
    x = torch.from_numpy(RNG.normal(size=(2, 20)).astype(np.float32))
    torch.onnx.export(module, (x,), path, dynamo=True, external_data=True, verbose=False)
    yield entry(path, x.numpy(), module(x).detach().numpy())


# ---- scikit-learn ---------------------------------------------------------------------------------------------------


def record_sklearn(folder: Path) -> Iterator[dict[str, Any]]:
    from skl2onnx import to_onnx
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

    x = RNG.normal(size=(60, 4)) * [1.0, 10.0, 0.1, 1.0] + [0.0, 50.0, 0.0, -1.0]
    texts = np.array(["setosa", "versicolor", "virginica"])[np.arange(60) % 3]
    classifiers = {
        "binary": (make_pipeline(StandardScaler(), MLPClassifier((5,), "tanh")), np.where(x[:, 0] > 0, "yes", "no")),
        "classes": (make_pipeline(MinMaxScaler(), MLPClassifier((5, 4), "relu")), texts),
        "numbers": (MLPClassifier((5,), "logistic"), np.arange(60) % 3 + 7),
        "labels": (MLPClassifier((5,)), np.stack([x[:, 0] > 0, x[:, 3] > -1, x[:, 2] > 0], axis=1).astype(int)),
    }
    regressors = {
        "regressor": (make_pipeline(RobustScaler(), MaxAbsScaler(), MLPRegressor(hidden_layer_sizes=(5, 3))), x[:, 0]),
        "target": (make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(5,))), x[:, 1]),
    }
    for name, (model, y) in {**classifiers, **regressors}.items():
        model.set_params(**{key: 30 for key in model.get_params() if key.endswith("max_iter")})
        model.set_params(**{key: 0 for key in model.get_params() if key.endswith("random_state")})
        model.fit(x, y)
        for dtype in (np.float32, np.float64):
            samples = x[:5].astype(dtype)
            expected = model.predict_proba(samples) if name in classifiers else model.predict(samples).reshape(5, -1)
            for opset, zipmap in [(15, True), (21, False)]:
                path = folder / f"sklearn_{name}_{np.dtype(dtype).name}_{opset}.onnx"
                options = {id(model): {"zipmap": zipmap}} if name in classifiers else None
                proto = to_onnx(model, samples, options=options, target_opset={"": opset, "ai.onnx.ml": 1})
                path.write_bytes(proto.SerializeToString())
                named = name in classifiers and (zipmap or name != "labels")
                names = [str(c) for c in model.classes_] if named else None
                yield entry(path, samples, expected, class_names=names)


# ---- Keras ----------------------------------------------------------------------------------------------------------


def record_keras(folder: Path) -> Iterator[dict[str, Any]]:
    import keras

    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Flatten(), keras.layers.Dense(6, "relu")]
    layers += [keras.layers.BatchNormalization(), keras.layers.LeakyReLU()]
    layers += [keras.layers.Dropout(0.5), keras.layers.Dense(6, "gelu"), keras.layers.Dense(3, "softmax")]
    model = keras.Sequential([keras.layers.Input((2, 3)), *layers])
    weights = [RNG.uniform(0.5, 1.0, w.shape) * RNG.choice([-1, 1], w.shape) for w in model.get_weights()]
    paths = [variable.path for variable in model.weights]
    model.set_weights([abs(w) if "variance" in p else w for w, p in zip(weights, paths, strict=True)])
    x = RNG.uniform(0, 255, (5, 2, 3)).astype(np.float32)
    expected = model.predict(x, verbose=0)
    path = folder / "keras.onnx"
    model.export(path, format="onnx", verbose=False)
    strip(path)
    yield entry(path, x, expected)


def strip(path: Path) -> None:
    import onnx

    proto = onnx.load(path)
    for thing in [*proto.graph.node, *proto.graph.value_info, *proto.graph.input, *proto.graph.output]:
        del thing.metadata_props[:]
        thing.doc_string = ""
    onnx.save(proto, path)


def entry(path: Path, x: np.ndarray, y: np.ndarray, class_names: list[str] | None = None) -> dict[str, Any]:
    return {"file": path.name, "x": np.asarray(x, float).tolist(), "y": y.tolist(), "class_names": class_names}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name, zipfile.ZipFile(ARCHIVE, "w", zipfile.ZIP_DEFLATED) as archive:
        folder = Path(name)
        entries = [*record_torch(folder), *record_sklearn(folder), *record_keras(folder)]
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
        lines = ",\n".join(json.dumps(one) for one in entries)
        archive.writestr("predictions.json", f"[\n{lines}\n]\n")
