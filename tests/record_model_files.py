"""Record a model file of the current format version, and what its model predicts, for test_compatibility.py.

usage: python tests/record_model_files.py

Writes tests/data/model-v<version>.safetensors, a model of every layer that is compiled, and tests/data/model-v<version>.json;
and tests/data/int8-v<version>.safetensors, a quantized model of every layer, and tests/data/int8-v<version>.json.
Files that exist are left alone: a release that changes the format records its own and keeps the others as they are.
"""

import json
from pathlib import Path

import numpy as np

import fastnet as fn
from fastnet.serialization import FORMAT_VERSION
from whole_models import INPUTS, whole_model

DATA = Path(__file__).parent / "data"


def samples() -> np.ndarray:
    """Return numbers that are the same everywhere and exact in single precision."""
    return ((np.arange(4 * INPUTS) * 37) % 64 / 16 - 2).reshape(4, INPUTS)


def record(version: str) -> None:
    path = DATA / f"model-v{version}.safetensors"
    if path.exists():
        return
    model = whole_model(1)
    schedule = fn.schedules.CosineDecay(0.125, 1000, warmup_target=0.25, warmup_steps=10)
    model.compile(fn.optimizers.AdamW(schedule, clipnorm=1.0), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.save(path)
    recorded = {
        "x": samples().tolist(),
        "predictions": model.predict(samples(), verbose=0).tolist(),
        "sums": [float(array.sum(dtype=np.float64)) for array in model.get_weights()],
        "layers": [layer.name for layer in model.layers],
        "optimizer": model.get_compile_config()["optimizer"],  # type: ignore[index]
        "class_names": model.class_names,
        "feature_names": model.feature_names,
    }
    path.with_suffix(".json").write_text(json.dumps(recorded, indent=1) + "\n", encoding="utf-8")


def record_quantized(version: str) -> None:
    path = DATA / f"int8-v{version}.safetensors"
    if path.exists():
        return
    model = whole_model(1).quantize(samples())
    model.save(path)
    recorded = {"x": samples().tolist(), "predictions": model.predict(samples()).tolist()}
    path.with_suffix(".json").write_text(json.dumps(recorded, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    record(FORMAT_VERSION)
    record_quantized(FORMAT_VERSION)
