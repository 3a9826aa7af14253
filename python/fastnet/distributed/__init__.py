"""Training distributed among processes by MPI: ``mpiexec -n 4 python train.py``.

`distribute` cuts every batch of later calls of `Sequential.fit` into shards, which the processes share.
"""

from fastnet.distributed.distribution import Distribution, distribute

__all__ = ["Distribution", "distribute"]
