"""Model files are loaded again when they change or on request, and a file that is broken changes nothing."""

import asyncio
import gc
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.applications import Starlette

import fastnet as fn
from asking import client
from fastnet.serve.app import make_app
from fastnet.serve.model_files import ModelFile
from fastnet.serve.reloading import Reloader


def save(path: Path, seed: int, inputs: int = 2) -> fn.Sequential:
    model = fn.Sequential([fn.Dense(1, input_shape=(inputs,))], seed=seed)
    model.save(path)
    return model


class Server:
    """An application with the model files that it was made from."""

    def __init__(self, folder: Path, also: Callable[[], None] | None = None) -> None:
        self.paths = [folder / "a.safetensors", folder / "b.safetensors"]
        for seed, path in enumerate(self.paths):
            save(path, seed)
        files = {file: file.load() for path in self.paths for file in [ModelFile(path.stem, str(path))]}
        options: dict[str, Any] = {
            "predict": None,
            "allow_host": None,
            "root_path": "",
            "cors": (),
            "access_log": False,
        }
        models = {file.name: (loaded.model, loaded.sha256) for file, loaded in files.items()}
        self.app: Starlette = make_app(models, max_batch=9, max_body=999, timeout=9.0, **options)
        self.reloader = Reloader(self.app.state.models, files, also)

    async def output(self, name: str, inputs: int = 2) -> Any:
        async with client(self.app) as asking:
            answer = await asking.post(f"/models/{name}/predict", json={"instance": [1] * inputs})
            return answer.json()["predictions"][0], answer.headers["x-model-sha256"]

    async def watching(self, done: Callable[[], bool]) -> None:
        """Watch the files until something has happened."""
        watching = asyncio.create_task(self.reloader.watch(0.02))
        async with asyncio.timeout(20):
            while not done():
                await asyncio.sleep(0.01)
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching

    def counted(self, name: str, outcome: str) -> float:
        text = self.app.state.models.metrics.exposition("")[0].decode()
        line = f'fastnet_model_loads_total{{model="{name}",outcome="{outcome}"}} '
        return float(text.partition(line)[2].partition("\n")[0])


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def expected(model: fn.Sequential) -> Any:
    return model.predict(np.ones((1, *model.input_shape))).tolist()[0]


def test_a_request_loads_what_has_changed(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    async def change() -> None:
        before, _ = await server.output("b"), await server.output("a")
        new = save(server.paths[0], 7)
        with caplog.at_level(logging.INFO):
            await server.reloader.reload()
        output, sha256 = await server.output("a")
        np.testing.assert_allclose(output, expected(new), rtol=1e-6)
        assert sha256 == ModelFile("a", str(server.paths[0])).load().sha256
        assert await server.output("b") == before
        messages = [record.getMessage() for record in caplog.records if record.name.startswith("fastnet")]
        assert messages == [
            f"a: loaded {server.paths[0]}, sha256 {sha256}",
            f"b: {server.paths[1]} has not changed",
        ]

    asyncio.run(change())
    assert (server.counted("a", "success"), server.counted("b", "success")) == (2, 1)


def test_a_file_that_changes_is_loaded_without_being_asked(server: Server) -> None:
    async def change() -> None:
        new = save(server.paths[1], 7)
        await server.watching(lambda: server.counted("b", "success") == 2)
        np.testing.assert_allclose((await server.output("b"))[0], expected(new), rtol=1e-6)

    asyncio.run(change())
    assert server.counted("a", "success") == 1


def test_a_model_of_another_shape_may_take_the_place_with_a_warning(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async def change() -> None:
        new = save(server.paths[0], 7, inputs=3)
        await server.reloader.reload()
        np.testing.assert_allclose((await server.output("a", inputs=3))[0], expected(new), rtol=1e-6)

    asyncio.run(change())
    assert "a: instances now have shape (3,) instead of (2,)" in caplog.text


@pytest.mark.parametrize(
    ("names", "messages"),
    [
        ({"feature_names": ["y", "x"]}, ["a: the features are now 'y', 'x' instead of 'x', 'y'"]),
        ({"feature_names": None}, ["a: the features are now without names instead of 'x', 'y'"]),
        ({"class_names": ["no", "maybe"]}, ["a: the classes are now 'no', 'maybe' instead of 'no', 'yes'"]),
        ({}, []),
    ],
)
def test_other_features_or_classes_are_a_warning(
    names: dict[str, Any], messages: list[str], server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    def save_with(seed: int, **names: Any) -> None:
        model = fn.Sequential([fn.Dense(2, activation="softmax", input_shape=(2,))], seed=seed)
        for attribute, value in ({"feature_names": ["x", "y"], "class_names": ["no", "yes"]} | names).items():
            setattr(model, attribute, value)
        model.save(server.paths[0])

    async def change() -> None:
        save_with(1)
        await server.reloader.reload()
        caplog.clear()
        save_with(2, **names)
        await server.reloader.reload()

    asyncio.run(change())
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == messages


def test_outputs_of_another_shape_are_a_warning(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    fn.Sequential([fn.Dense(3, input_shape=(2,))]).save(server.paths[0])
    asyncio.run(server.reloader.reload())
    assert "a: outputs now have shape (3,) instead of (1,)" in caplog.text


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"line\nforged\x1b[31m" * 100),
        lambda path: path.unlink(),
        lambda path: (path.unlink(), path.mkdir()),
    ],
    ids=["cut", "empty", "another", "missing", "folder"],
)
def test_a_broken_file_changes_nothing_and_is_told_once(
    damage: Callable[[Path], Any], server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    async def change() -> None:
        before = await server.output("a")
        damage(server.paths[0])
        await server.reloader.reload()
        assert await server.output("a") == before
        rounds = iter(range(10))
        await server.watching(lambda: next(rounds, None) is None)  # which does not try again and again
        assert await server.output("a") == before
        new = save_over(server.paths[0])
        await server.watching(lambda: server.counted("a", "success") == 2)
        np.testing.assert_allclose((await server.output("a"))[0], expected(new), rtol=1e-6)

    asyncio.run(change())
    assert server.counted("a", "failure") == 1
    (message,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert message.startswith(f"a: cannot load {server.paths[0]}: ")
    assert message.endswith("; the model before it stays")


def save_over(path: Path) -> fn.Sequential:
    if path.is_dir():
        path.rmdir()
    return save(path, 7)


def test_a_file_that_is_still_being_written_is_waited_for(server: Server) -> None:
    """A program that writes a file bit by bit, in place, causes no error."""

    async def change() -> None:
        new = server.paths[0].with_name("new.safetensors")
        save(new, 7)
        content = new.read_bytes()
        watching = asyncio.create_task(server.reloader.watch(0.2))
        with server.paths[0].open("wb") as file:
            for start in range(0, len(content), len(content) // 20):
                file.write(content[start : start + len(content) // 20])
                file.flush()
                await asyncio.sleep(0.02)
        async with asyncio.timeout(20):
            while server.counted("a", "success") < 2:
                await asyncio.sleep(0.02)
        watching.cancel()

    asyncio.run(change())
    assert server.counted("a", "failure") == 0


def test_a_certificate_that_cannot_be_read_is_told_and_models_are_loaded_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def also() -> None:
        raise ValueError("no certificate")

    server = Server(tmp_path, also)
    save(server.paths[0], 7)
    asyncio.run(server.reloader.reload())
    assert server.counted("a", "success") == 2
    assert "no certificate; what was read before stays" in caplog.text


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_replaced_models_leave_the_memory(tmp_path: Path) -> None:
    server = Server(tmp_path)

    def resident() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

    async def change(times: int) -> None:
        for seed in range(times):
            save(server.paths[0], seed + 10, inputs=200_000)
            await server.reloader.reload()

    gc.freeze()  # as the server does: else each collection looks at all of the tests' modules
    try:
        asyncio.run(change(3))
        before = resident()
        asyncio.run(change(12))
    finally:
        gc.unfreeze()
    assert resident() - before < 5_000  # kB; each model has 800
