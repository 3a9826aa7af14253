"""Record what Keras makes of the small files of `keras_data`, and its checksums, as data/keras_datasets.json.

Run it with Keras installed: ``KERAS_BACKEND=torch python tests/record_keras_datasets.py``.
"""

import contextlib
import json
import tempfile
from pathlib import Path
from typing import Any

import keras

import keras_data

MODULES = ("imdb", "reuters", "california_housing", "boston_housing", "cifar10", "cifar100")


def main() -> None:
    recorded: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        keras_data.write(Path(folder))
        for name in MODULES:
            module = __import__(f"keras.src.datasets.{name}", fromlist=["load_data"])
            asked: dict[str, Any] = {}

            def get_file(fname: str | None = None, name: str = name, asked: Any = asked, **keywords: Any) -> str:
                asked.update({"origin": keywords["origin"], "file_hash": keywords["file_hash"]})
                return str(Path(folder, name, str(fname)))

            module.get_file = get_file
            for _, arguments in (case for case in keras_data.CASES if case[0] == name):
                result = module.load_data(**arguments)
                lists = [part.tolist() for pair in result for part in pair]
                recorded.append({"name": name, "arguments": arguments, "result": lists})
            if not asked:
                with contextlib.suppress(OSError):  # the archive is not extracted; what was asked for is known
                    module.load_data()
            recorded.append({"name": f"{name} file", "arguments": asked})
    path = Path(__file__).parent / "data" / "keras_datasets.json"
    path.write_text(json.dumps(recorded) + "\n", encoding="utf-8")
    print(f"{path}: {len(recorded)} cases of Keras {keras.__version__}")


if __name__ == "__main__":
    main()
