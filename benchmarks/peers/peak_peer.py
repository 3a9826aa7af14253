"""The machine itself: the compiled probe of fused multiply-adds in kernels.cpp."""

import json
import subprocess

from ..data import FOLDER
from . import base


class Library(base.Library):
    def version(self) -> str:
        return "kernels.cpp"

    def peak(self) -> float:
        program = FOLDER / "cpp" / "benchmarks" / "fastnet_kernel_benchmark"
        done = subprocess.run([program, "--peak", str(self.threads)], check=True, capture_output=True, text=True)
        return json.loads(done.stdout)["gflops"]
