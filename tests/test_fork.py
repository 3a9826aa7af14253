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
