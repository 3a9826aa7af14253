"""Exports in C, compiled together into one program that predicts for samples of a file."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

import fastnet as fn
from fastnet.interchange.c import check as c_check
from fastnet.layers import Conv2D, Dense, Flatten, MaxPooling2D, Rescaling

STRICT = [
    *["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wconversion", "-Wshadow", "-Wdouble-promotion"],
    *["-Wcast-qual", "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wundef"],
]
STRICT_CPP = ["-x", "c++", "-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wconversion", "-Wshadow"]

_RUN = """
static void run(void (*predict)(const REAL *, REAL *), int samples, int inputs, int outputs, FILE *in, FILE *out)
{
    static REAL x[INPUTS], y[OUTPUTS];
    for (int i = 0; i < samples; ++i) {
        if (fread(x, sizeof *x, (size_t)inputs, in) != (size_t)inputs)
            exit(1);
        predict(x, y);
        if (fwrite(y, sizeof *y, (size_t)outputs, out) != (size_t)outputs)
            exit(1);
    }
}
"""


def compiler(name: str = "") -> list[str]:
    """The compiler of this name, or any; the test is skipped where there is none."""
    command = ([name] if shutil.which(name) else None) if name else c_check.find_compiler()
    if command is None or os.name == "nt":
        pytest.skip(f"needs {name or 'a C compiler: CC, cc, gcc or clang'}")
    return command


def compiler_with_sanitizers(folder: Path) -> list[str]:
    """A compiler whose programs end at a wrong address and at whatever is undefined; else the test is skipped."""
    sanitized = [*compiler(), "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    (folder / "empty.c").write_text("int main(void) { return 0; }\n")
    if subprocess.run([*sanitized, "empty.c"], cwd=folder, capture_output=True, check=False).returncode:
        pytest.skip("needs a compiler with its sanitizers")
    return sanitized


def cross_compiler(machine: str, emulator: str) -> tuple[list[str], list[str]]:
    """The commands of a compiler for another machine and of QEMU's emulator; else the test is skipped."""
    compiling = f"{machine}-gcc"
    for needed in (compiling, emulator):
        if shutil.which(needed) is None:
            pytest.skip(f"needs {needed}: apt-get install gcc-{machine} qemu-user")
    return [compiling, "-static"], [emulator]


def constants_in(program: Path) -> int:
    """Return the bytes of all constants of a compiled file."""
    if shutil.which("nm") is None:
        pytest.skip("needs nm")
    listed = subprocess.run(["nm", "-S", program], capture_output=True, text=True, check=True).stdout
    return sum(int(size, 16) for size in re.findall(r"^\w+ (\w+) [rR] ", listed, re.MULTILINE))


def flash_of(file: str, folder: Path) -> int:
    """Return the bytes of code and constants for a Cortex-M4; there are no variables that live longer than a call."""
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("needs arm-none-eabi-gcc: apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi")
    cortex = ["-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard", "-Os", "-c", "-o", "device.o"]
    subprocess.run(["arm-none-eabi-gcc", *STRICT, *cortex, file], cwd=folder, check=True)
    size = ["arm-none-eabi-size", "device.o"]
    printed = subprocess.run(size, cwd=folder, capture_output=True, text=True, check=True).stdout
    text, data, bss = (int(field) for field in printed.splitlines()[1].split()[:3])
    assert data == bss == 0
    return text


def lenet() -> fn.Sequential:
    """A network for images like those of MNIST."""
    layers = [
        Rescaling(1 / 255),
        Conv2D(6, 5, padding="same", activation="relu"),
        MaxPooling2D(2),
        Conv2D(16, 5, activation="relu"),
        MaxPooling2D(2),
        Flatten(),
        *[Dense(120, "relu"), Dense(84, "relu"), Dense(10, "softmax")],
    ]
    return fn.Sequential([fn.Input((28, 28, 1)), *layers], seed=0)


def compile_and_run(command: Sequence[str], source: str, folder: Path, emulator: Sequence[str] = ()) -> str:
    """Compile a program that may include files of the folder, run it there, and return what it printed."""
    (folder / "program.c").write_text(source, encoding="ascii")
    for step in ([*command, "program.c", "-o", "program", "-lm"], [*emulator, str(folder / "program")]):
        done = subprocess.run(step, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def predictions(
    models: Mapping[str, fn.Sequential],
    samples: Mapping[str, np.ndarray],
    command: Sequence[str],
    folder: Path,
    emulator: Sequence[str] = (),
) -> dict[str, np.ndarray]:
    """What one program with the exports of all models predicts for the samples of each, one sample a row."""
    dtype = next(iter(models.values())).dtype
    sizes = {name: (int(np.prod(m.input_shape)), int(np.prod(m.output_shape))) for name, m in models.items()}
    for name, model in models.items():
        model.to_c(folder / f"{name}.c", name=name, check=False)
    with (folder / "in.bin").open("wb") as file:
        for name in models:
            file.write(np.ascontiguousarray(samples[name], dtype).tobytes())
    calls = [
        f"    run({name}_predict, {len(samples[name])}, {name.upper()}_INPUTS, {name.upper()}_OUTPUTS, in, out);\n"
        for name in models
    ]
    source = "".join(
        [
            *(f'#include "{name}.c"\n' for name in models),
            "#include <stdio.h>\n#include <stdlib.h>\n",
            _RUN.replace("REAL", {"float32": "float", "float64": "double"}[dtype])
            .replace("INPUTS", str(max(inputs for inputs, _ in sizes.values())))
            .replace("OUTPUTS", str(max(outputs for _, outputs in sizes.values()))),
            'int main(void)\n{\n    FILE *in = fopen("in.bin", "rb"), *out = fopen("out.bin", "wb");\n',
            "    if (!in || !out)\n        return 1;\n",
            *calls,
            "    return fclose(out);\n}\n",
        ]
    )
    compile_and_run(command, source, folder, emulator)
    values = np.fromfile(folder / "out.bin", dtype)
    ends = np.cumsum([len(samples[name]) * sizes[name][1] for name in models])
    parts = np.split(values, ends)
    assert parts.pop().size == 0
    return {name: part.reshape(len(samples[name]), -1) for name, part in zip(models, parts, strict=True)}


def predicted(model: fn.Sequential, x: np.ndarray) -> np.ndarray:
    return model.predict(x.reshape(-1, *model.input_shape)).reshape(len(x), -1)


def small(outputs: int = 3, activation: str = "softmax") -> fn.Sequential:
    return fn.Sequential([fn.Dense(4, "relu", input_shape=(2,)), fn.Dense(outputs, activation)], seed=0)
