"""Processes and pools around fastnet: fork, multiprocessing, joblib, thread pools. Whatever hangs, ends by a timeout."""

import os
import subprocess
import sys
import textwrap

import pytest

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")

PRELUDE = """
import os, sys, threading, time, warnings
if os.name == "posix":
    import signal
    signal.alarm(50)
warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads, which is the point here
import numpy as np, fastnet as fn
fn.set_num_threads(2)
rng = np.random.default_rng(0)
a = rng.normal(size=(600, 600)).astype("f4")
x, y = rng.normal(size=(2000, 100)).astype("f4"), rng.integers(0, 10, 2000)

def trained(seed=0, epochs=2):
    model = fn.Sequential([fn.Dense(200, activation="relu", input_shape=(100,)), fn.Dense(10, activation="softmax")],
                          seed=seed)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=200, epochs=epochs, verbose=0)
    return b"".join(w.tobytes() for w in model.get_weights())

def work(seed=0):
    return fn.gemm(a, a).tobytes() + trained(seed)

def in_child(function):
    "Run a function in a forked child, which has 20 s, and return its exit status."
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            signal.alarm(20)
            status = 0 if function() else 2
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


def runs(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stderr[-3000:]}"


@needs_fork
def test_children_and_grandchildren_compute_as_the_parent_did() -> None:
    runs("""
        expected = work()
        for _ in range(3):
            assert in_child(lambda: work() == expected and in_child(lambda: work() == expected) == 0) == 0
            assert work() == expected
    """)


@needs_fork
def test_fork_while_another_thread_trains() -> None:
    runs("""
        expected = work()
        stop = threading.Event()
        def train_on():
            while not stop.is_set():
                trained(1)
        thread = threading.Thread(target=train_on)
        thread.start()
        statuses = [in_child(lambda: work() == expected) for _ in range(10)]
        stop.set()
        thread.join()
        assert statuses == [0] * 10, statuses
        assert work() == expected
    """)


@needs_fork
def test_fork_by_the_handler_of_a_signal_in_the_middle_of_work_on_several_threads() -> None:
    runs("""
        from fastnet import _core
        _core.rest_teams(False)
        model = fn.Sequential([fn.Dense(1000, input_shape=(100,)), fn.Dense(1000)], seed=0)
        many = np.tile(x, (20, 1))
        expected = model.predict(many, verbose=0).tobytes()
        pids = []
        def fork_once(*_):
            if not pids:
                pids.append(os.fork())
        signal.signal(signal.SIGINT, fork_once)
        timer = threading.Timer(0.05, signal.raise_signal, [signal.SIGINT])
        timer.start()
        status = 2
        try:
            while not pids:
                result = model.predict(many, verbose=0)
            status = 0
        except RuntimeError as error:  # the child has no other threads, and half of the work is theirs
            status = 3 if "forked" in str(error) else 4
        if not pids[0]:
            os._exit(status if status else 5)
        assert status == 0 and result.tobytes() == expected
        assert os.waitstatus_to_exitcode(os.waitpid(pids[0], 0)[1]) == 3
        assert work() == work()
    """)


@needs_fork
def test_fork_in_the_middle_of_an_epoch_that_both_processes_finish() -> None:
    runs("""
        from fastnet import _core
        dense = {"type": "dense", "units": 300, "use_bias": True, "activation": "relu", "alpha": 0.0}
        sgd = {"learning_rate": 1e-3, "momentum": 0.0, "dampening": 0.0, "nesterov": 0.0, "weight_decay": 0.0}
        order = np.arange(60_000) % 2000
        def parameters_after(progress):
            network = _core.Network32(100, [dense, {**dense, "units": 10}])
            network.set_parameters(np.linspace(-0.1, 0.1, network.get_parameters().size, dtype="f4"))
            network.compile("mse", "", "sgd", sgd)
            network.train_epoch(x, y, order, 100, None, progress)
            return network.get_parameters().tobytes()
        expected = parameters_after(None)
        pids = []
        def fork_once(*_):
            if not pids:
                pids.append(os.fork())
                if not pids[0]:
                    signal.alarm(20)
        same = parameters_after(fork_once) == expected
        assert pids, "the epoch was too short"
        if not pids[0]:
            os._exit(0 if same else 2)
        assert os.waitstatus_to_exitcode(os.waitpid(pids[0], 0)[1]) == 0
        assert same
    """)


@needs_fork
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(method: str) -> None:
    runs(f"""
        import multiprocessing
        expected = fn.gemm(a, a)  # the parent's threads are awake when it forks
        with multiprocessing.get_context({method!r}).Pool(2) as pool:
            for result in pool.starmap(fn.gemm, [(a, a)] * 6):
                assert result.tobytes() == expected.tobytes()
    """)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_joblib(backend: str) -> None:
    runs(f"""
        import joblib
        seeds = range(4)
        expected = [trained(seed) for seed in seeds]
        with joblib.parallel_config(backend={backend!r}, n_jobs=3):
            assert joblib.Parallel()(joblib.delayed(trained)(seed) for seed in seeds) == expected
    """)


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_a_thread_pool(threads: int) -> None:
    runs(f"""
        from concurrent.futures import ThreadPoolExecutor
        seeds = range(8)
        tasks = "/proc/self/task"
        before = len(os.listdir(tasks)) if os.path.isdir(tasks) else None  # NumPy's BLAS has some
        expected = [work(seed) for seed in seeds]
        with ThreadPoolExecutor({threads}) as pool:
            assert list(pool.map(work, seeds)) == expected
            if before:  # fastnet has one thread more for all of them together
                assert len(os.listdir(tasks)) <= before + {threads} + 1
    """)


def test_exit_while_daemon_threads_compute() -> None:
    runs("""
        large = np.ones((8000, 8000), "f4")  # several seconds of work
        for _ in range(2):
            threading.Thread(target=fn.gemm, args=(large, large), daemon=True).start()
        time.sleep(0.2)
    """)


def test_idle_threads_sleep() -> None:
    runs("""
        work()
        time.sleep(0.05)
        before = time.process_time()
        time.sleep(0.5)
        used = time.process_time() - before
        assert used < 0.1, used
    """)


# All weights of this model are the number of its steps, bit for bit, whenever none is in progress.
EVEN_MODEL = """
model = fn.Sequential([fn.Dense(512, input_shape=(512,), kernel_initializer="zeros")])
model.compile(fn.optimizers.SGD(512.0), "mae")
ones, far = np.ones((400, 512), "f4"), np.full((400, 512), 1e9, "f4")
def is_between_steps(values, steps, *_):
    return set(np.unique(values)) == {steps}
"""


@needs_fork
@pytest.mark.parametrize("busy_with", ["fit", "predict", "evaluate", "set_weights"])
def test_a_child_can_use_the_model_that_a_thread_of_the_parent_was_using(busy_with: str) -> None:
    runs(f"""
        import pickle
        model = fn.Sequential([fn.Dense(300, "relu", input_shape=(100,)), fn.Dense(10, "softmax")], seed=0)
        model.compile("adam", "sparse_categorical_crossentropy")
        fit = lambda: model.fit(x, y, batch_size=20, verbose=0)
        fit()
        weights = model.get_weights()
        work = {{
            "fit": fit, "predict": lambda: model.predict(x), "evaluate": lambda: model.evaluate(x, y, verbose=0),
            "set_weights": lambda: model.set_weights(weights),
        }}[{busy_with!r}]
        stop = threading.Event()
        def go_on():
            while not stop.is_set():
                work()
        thread = threading.Thread(target=go_on)
        thread.start()
        def in_the_child():
            model.set_weights(model.get_weights())
            pickle.loads(pickle.dumps(model)).predict(x)
            model.fit(x, y, batch_size=200, epochs=2, verbose=0)
            model.add(fn.Dense(3))
            return model.predict(x).shape == (2000, 3)
        statuses = [in_child(in_the_child) for _ in range(4)]
        stop.set()
        thread.join()
        assert statuses == [0] * 4, statuses
    """)


@needs_fork
def test_a_child_has_the_weights_and_the_optimizer_of_one_step() -> None:
    runs(
        EVEN_MODEL
        + textwrap.dedent("""
        model.fit(ones, far, batch_size=8, verbose=0)
        stop = threading.Event()
        def train():
            while not stop.is_set():
                model.fit(ones, far, batch_size=8, verbose=0)
        thread = threading.Thread(target=train)
        thread.start()
        statuses = []
        for _ in range(15):
            time.sleep(0.003)
            statuses.append(in_child(lambda: is_between_steps(*model._network.get_state())))
        stop.set()
        thread.join()
        assert is_between_steps(*model._network.get_state())
        assert statuses == [0] * 15, statuses
        """)
    )


@needs_fork
def test_a_child_of_a_callback_goes_on_alone_with_the_model() -> None:
    runs("""
        pids = []
        class Fork(fn.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                if batch == 3 and not pids:
                    pids.append(os.fork())
                    if not pids[0]:
                        signal.alarm(20)
        model = fn.Sequential([fn.Dense(200, activation="relu", input_shape=(100,)), fn.Dense(10, activation="softmax")])
        model.compile("adam", "sparse_categorical_crossentropy")
        other = threading.Thread(target=lambda: [model.predict(x) for _ in range(200)])
        other.start()
        model.fit(x, y, batch_size=100, epochs=2, verbose=0, callbacks=[Fork()])
        if not pids[0]:
            finished = []
            thread = threading.Thread(target=lambda: finished.append(model.predict(x)))
            thread.start()
            thread.join()
            os._exit(0 if len(finished) == 1 else 2)
        other.join()
        assert os.waitstatus_to_exitcode(os.waitpid(pids[0], 0)[1]) == 0
    """)


@needs_fork
def test_a_child_does_not_wait_for_a_thread_of_the_parent_that_drew_random_numbers() -> None:
    runs("""
        model = fn.Sequential([fn.Dense(10, activation="softmax", input_shape=(100,))], seed=0)
        model.compile("sgd", "sparse_categorical_crossentropy")
        held, stop = threading.Event(), threading.Event()
        def draw():
            with model._generator.bit_generator.lock:  # as NumPy holds it while it shuffles without the GIL
                held.set()
                stop.wait()
        thread = threading.Thread(target=draw)
        thread.start()
        held.wait()
        status = in_child(lambda: model.fit(x, y, verbose=0).epoch == [0])
        stop.set()
        thread.join()
        assert status == 0, status
    """)


@needs_fork
def test_a_fork_waits_for_no_prediction() -> None:
    runs("""
        model = fn.Sequential([fn.Dense(2000, input_shape=(2000,)), fn.Dense(2000), fn.Dense(1)])
        many = np.broadcast_to(np.ones(2000, "f4"), (100_000, 2000))  # seconds of work
        thread = threading.Thread(target=model.predict, args=(many,), daemon=True)
        thread.start()
        time.sleep(0.3)
        start = time.perf_counter()
        assert in_child(lambda: model.predict(many[:1]).shape == (1, 1)) == 0
        assert time.perf_counter() - start < 1
        assert thread.is_alive()
    """)


@pytest.mark.parametrize(
    "calls",
    [
        [
            "model.fit(x, y, verbose=0)",
            "model.fit(x, y, verbose=0, callbacks=[EveryBatch()])",
            "own.fit(x, t, verbose=0)",
        ],
        ["model.predict(x)", "model.evaluate(x, y, verbose=0)", "model.set_weights(model.get_weights())", "model(x)"],
        ["fn.gemm(a, a)", "fn.softmax(a)", "fn.functional.mse(a, a)", "fn.gemm(a, a[::-1], out=a.copy()[:, ::-1])"],
    ],
    ids=["fit", "predict", "functional"],
)
def test_the_interpreter_ends_quietly_while_daemon_threads_call_fastnet(calls: list[str]) -> None:
    program = """
        def own_loss(y_true, y_pred):
            return float(((y_pred - y_true) ** 2).mean()), 2 * (y_pred - y_true) / y_pred.size
        class EveryBatch(fn.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                sum(range(100))
        a = a[:200, :200]
        t = np.eye(10, dtype="f4")[y]
        model = fn.Sequential([fn.Dense(50, "relu", input_shape=(100,)), fn.Dense(10, "softmax")])
        model.compile("adam", "sparse_categorical_crossentropy")
        own = fn.Sequential([fn.Dense(10, input_shape=(100,))])
        own.compile("adam", own_loss)
        def forever(call):
            code = compile(call, "call", "eval")
            while True:
                eval(code)
        for call in CALLS:
            for _ in range(2):
                threading.Thread(target=forever, args=(call,), daemon=True).start()
        time.sleep(0.2)
    """
    runs(textwrap.dedent(program).replace("CALLS", repr(calls)))


def test_a_model_whose_user_is_gone_is_no_obstacle_when_the_interpreter_ends() -> None:
    runs("""
        model = fn.Sequential([fn.Dense(10, activation="softmax", input_shape=(100,))])
        model.compile("sgd", "sparse_categorical_crossentropy")
        class Forever(fn.callbacks.Callback):
            def on_train_progress(self, step, steps, logs=None):
                while True:
                    pass
        class Last:
            def __del__(self):
                try:
                    model.predict(x)
                except RuntimeError as error:
                    assert "interpreter" in str(error)
        sys.last = Last()  # goes after the other threads
        many = np.ones((200_000, 100), "f4"), np.zeros(200_000, int)
        threading.Thread(target=model.fit, args=many, kwargs={"epochs": 100, "callbacks": [Forever()]}, daemon=True).start()
        time.sleep(0.5)
    """)


@needs_fork
def test_an_application_that_answered_before_a_fork_answers_in_the_child() -> None:
    pytest.importorskip("starlette")
    runs("""
        import asyncio, httpx
        from fastnet.serve import create_app
        model = fn.Sequential([fn.Dense(2000, input_shape=(8,)), fn.Dense(2000), fn.Dense(3, "softmax")], seed=0)
        small = fn.Sequential([fn.Dense(3, "softmax", input_shape=(8,))], seed=0)  # needs no thread
        async def ask(app):
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x", timeout=10) as client:
                asked = [client.post("/predict", json={"instance": row.tolist()}) for row in x[:5, :8]]
                return [answer.status_code for answer in await asyncio.gather(*asked)] == [200] * 5
        for served in (model, small):
            app = create_app(served)
            assert asyncio.run(ask(app))
            assert in_child(lambda: asyncio.run(ask(app)) and in_child(lambda: asyncio.run(ask(app))) == 0) == 0
            assert asyncio.run(ask(app))
    """)
