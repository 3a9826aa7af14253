"""A search over settings of a network on several machines: scikit-learn's search, whose fits joblib hands to Dask.

usage: python examples/search_on_a_cluster.py [--scheduler tcp://HOST:8786] [--settings 16]

Without a scheduler two processes on this machine stand in for the cluster. It needs

    pip install "fastnet-nn[sklearn]" "dask[distributed]"

Ray does the same: `from ray.util.joblib import register_ray; register_ray()`, and "ray" for "dask" below.
"""

import argparse
import time

import joblib
import numpy as np
from distributed import Client, LocalCluster
from sklearn.model_selection import RandomizedSearchCV, train_test_split

import fastnet as fn
from fastnet.datasets import digits
from fastnet.sklearn import FastnetClassifier

# What the search chooses from. The arguments of `build` are searched like those of the estimator.
SETTINGS = {
    "build_args__units": [4, 16, 64, 128],
    "build_args__layers": [1, 2],
    "build_args__dropout": [0.0, 0.2],
    "build_args__learning_rate": [0.001, 0.003, 0.01],
    "batch_size": [16, 64],
}


def build(n_classes: int, units: int, layers: int, dropout: float, learning_rate: float) -> fn.Sequential:
    """A network for images of 8 x 8 pixels with values from 0 to 16."""
    hidden = [layer for _ in range(layers) for layer in (fn.Dense(units, "relu"), fn.Dropout(dropout))]
    model = fn.Sequential([fn.Rescaling(1 / 16), *hidden, fn.Dense(n_classes, "softmax")])
    model.compile(fn.optimizers.Adam(learning_rate))
    return model


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--scheduler", help="the address of a Dask scheduler")
    parser.add_argument("--settings", type=int, default=16, help="how many settings are tried")
    arguments = parser.parse_args()

    x, y = digits.load_data()
    x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=0, stratify=y)
    # As many fits as there are processors run at a time, so each of them gets one thread.
    classifier = FastnetClassifier(build, epochs=20, random_state=0, n_threads=1)
    search = RandomizedSearchCV(classifier, SETTINGS, n_iter=arguments.settings, cv=3, random_state=0)

    # A stand-in cluster listens on this machine alone, and has no page that shows what it does.
    cluster = arguments.scheduler or LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    )
    with Client(cluster) as client:
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        processors = sum(worker["nthreads"] for worker in workers)
        print(f"{arguments.settings} settings, 3 fits each, on {len(workers)} workers with {processors} processors")
        started = time.perf_counter()
        with joblib.parallel_config("dask", scatter=[x_train, y_train]):  # each worker gets the samples once
            search.fit(x_train, y_train)
        seconds = time.perf_counter() - started

    results = search.cv_results_
    for place in np.argsort(results["rank_test_score"])[:3]:
        chosen = {name.removeprefix("build_args__"): value for name, value in results["params"][place].items()}
        print(f"  {results['mean_test_score'][place]:.1%}  {chosen}")
    print(f"{3 * arguments.settings} fits in {seconds:.1f} s; test images: {search.score(x_test, y_test):.1%}")
    search.best_estimator_.model_.save("digits.safetensors")

    if not arguments.scheduler:
        cluster.close()
        print(
            "\nOn several machines, all with the same version of fastnet:\n"
            "    dask scheduler                                           on one of them\n"
            "    dask worker tcp://HOST:8786 --nworkers auto --nthreads 1   on each\n"
            "    python search_on_a_cluster.py --scheduler tcp://HOST:8786"
        )


if __name__ == "__main__":
    main()
