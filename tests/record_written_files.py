"""Record files of this version of fastnet, and what their models predict, for test_compatibility.py.

usage: python tests/record_written_files.py

Writes, to tests/data/written_by/<version>:

- <name>.safetensors and <name>.json, for each of `written_models.MODELS`: a model file, samples, and its predictions;
- weights.safetensors and weights.json: weights alone, and the architecture that they belong to;
- checkpoint/ and checkpoint.json: a checkpoint in the middle of a training, and how that training ends;
- command.safetensors and command.json: a model of `fastnet train`, whose receipt names its command.

Files that exist are left alone: each release adds a folder, and keeps those of earlier ones as they are.
"""

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np

import fastnet as fn
from fastnet import cli
from fastnet.quantization import QuantizedModel
from written_models import MODELS, Written, nested, samples

WRITTEN = Path(__file__).parent / "data" / "written_by"
INTERRUPTED = 2  # epochs before the checkpoint, of those below
EPOCHS = 4


class PowerCutError(Exception):
    """Training ends here."""


class PowerCut(fn.callbacks.Callback):
    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if epoch == INTERRUPTED:
            raise PowerCutError


def keep(path: Path, recorded: dict[str, Any]) -> None:
    path.write_text(json.dumps(recorded, ensure_ascii=False) + "\n", encoding="utf-8")


def described(written: Written) -> dict[str, Any]:
    """Return what a later version must find in a model file."""
    model, x, y = written
    recorded = {"x": x.tolist(), "dtype": str(x.dtype), "predictions": model.predict(x).tolist()}
    if isinstance(model, QuantizedModel):
        return recorded
    recorded |= {
        "sums": [float(array.sum(dtype=np.float64)) for array in model.get_weights()],
        "layers": [layer.name for layer in model.layers],
        "class_names": model.class_names,
        "feature_names": model.feature_names,
        "figures": model.figures,
    }
    compiled = model.get_compile_config()
    return (
        recorded | ({"optimizer": compiled["optimizer"]} if compiled else {}) | ({} if y is None else {"y": y.tolist()})
    )


def record_models(folder: Path) -> None:
    for name, make in MODELS.items():
        path = folder / f"{name}.safetensors"
        written = make()
        if not path.exists():
            written.model.save(path)
        if not path.with_suffix(".json").exists():
            keep(path.with_suffix(".json"), described(written))


def record_weights(folder: Path) -> None:
    model, x, _ = nested()
    model.save_weights(folder / "weights.safetensors")
    keep(folder / "weights.json", {"model": model.to_json(), "x": x.tolist(), "predictions": model.predict(x).tolist()})


def unfinished() -> fn.Sequential:
    model = fn.Sequential([fn.Dense(6, "tanh", input_shape=(3,)), fn.Dropout(0.25), fn.Dense(1)], seed=0)
    model.compile(fn.optimizers.AdamW(0.02, use_ema=True), "huber", metrics=["mae"])
    return model


def record_checkpoint(folder: Path) -> None:
    x = samples(48, 3)
    y = x @ [1.0, -0.5, 0.25] + 3.0
    arguments: dict[str, Any] = {"batch_size": 16, "epochs": EPOCHS, "validation_split": 0.25, "verbose": 0}
    backup = fn.callbacks.BackupAndRestore(folder / "checkpoint", keep=1)
    model = unfinished()
    recorded = {"model": model.to_json(), "compile": model.get_compile_config(), "fit": arguments}
    with contextlib.suppress(PowerCutError):
        model.fit(x, y, callbacks=[backup, PowerCut()], **arguments)
    whole = unfinished()
    history = whole.fit(x, y, **arguments).history
    done = {"history": history, "predictions": whole.predict(x, verbose=0).tolist()}
    keep(folder / "checkpoint.json", recorded | {"x": x.tolist(), "y": y.tolist()} | done)


def record_command(folder: Path) -> None:
    path = folder / "command.safetensors"
    words = ["train", "digits", "--hidden", "8", "--epochs", "2", "--seed", "0", "--quiet", "--out", str(path)]
    if cli.main(words) != 0:
        raise RuntimeError("fastnet train failed")
    model, x = fn.load_model(path), fn.datasets.digits.load_data()[0][::300]
    keep(path.with_suffix(".json"), described(Written(model, x)))


def main() -> None:
    folder = WRITTEN / fn.__version__
    folder.mkdir(parents=True, exist_ok=True)
    record_models(folder)
    for name, record in {"weights": record_weights, "checkpoint": record_checkpoint, "command": record_command}.items():
        if not (folder / f"{name}.json").exists():
            record(folder)


if __name__ == "__main__":
    main()
