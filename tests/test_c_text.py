"""Numbers and names in a file of C: they are read back as they were, and are nothing but data."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import fastnet as fn
from c_programs import STRICT, compile_and_run, compiler
from fastnet.interchange.c import text as c_text

# ---- Names ----------------------------------------------------------------------------------------------------------

HOSTILE = [
    "*/ int x; /*",
    '"; system("true"); "',
    "back\\",
    "??/",
    "%s%n",
    "\n#error no\n",
    "é\u202e\x00\x7f",
    "REAL~NAME_",
]
HOSTILE += ["'", "/", "*", "//", "\\u0041", "\\", "#include <no.h>", "\r\n\t"]


def test_hostile_names_are_data(tmp_path: Path) -> None:
    names = [*HOSTILE, "\ud800"]
    layers = [
        fn.Dense(2, name=name, **({"input_shape": (len(names),)} if i == 0 else {})) for i, name in enumerate(names)
    ]
    model = fn.Sequential([*layers, fn.Dense(len(names), "softmax")], name="".join(HOSTILE), seed=0)
    model.class_names = model.feature_names = names
    model.to_c(tmp_path / "model.c", check=False)
    source = """
#include "model.c"
#include <stdio.h>
int main(void)
{
    for (int i = 0; i < MODEL_CLASSES; ++i) {
        for (const char *c = model_class_names[i]; *c; ++c)
            printf("%02x", (unsigned)(unsigned char)*c);
        printf("\\n");
    }
    return 0;
}
"""
    command = [*compiler(), *STRICT, "-Wno-undef", "-trigraphs"]
    printed = compile_and_run(command, source, tmp_path).split("\n")[: len(names)]
    assert [bytes.fromhex(line) for line in printed] == [
        name.encode("utf-8", "backslashreplace").partition(b"\x00")[0] for name in names
    ]


@given(st.text())
@example("*/*")
@example("/*/")
@example("???/")
def test_no_text_ends_a_comment_or_a_string(text: str) -> None:
    comment = c_text.in_comment(text)
    assert comment.isascii()
    assert comment.isprintable()
    assert not re.search(r"\*/|/\*|\?\?", f"/ {comment} *")
    constant = c_text.string(text)
    assert re.fullmatch(r'"([ !#-\[\]-~]|\\[0-7]{3})*"', constant)
    octal = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), constant[1:-1])
    assert octal.encode("latin-1") == text.encode("utf-8", "backslashreplace")


# ---- Numbers --------------------------------------------------------------------------------------------------------


def numbers_of_all_sizes(dtype: str) -> np.ndarray:
    size = np.dtype(dtype).itemsize
    values = np.frombuffer(np.random.default_rng(0).bytes(size * 20_000), dtype)
    return np.append(values[np.isfinite(values)], [0.0, -0.0, 1.0, 1e-45, 1e22, 0.1]).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", [{}, {"legacy": "1.13"}, {"precision": 2, "floatmode": "fixed"}], ids=str)
def test_numbers_are_read_back_as_they_were(dtype: str, options: dict[str, object]) -> None:
    values = numbers_of_all_sizes(dtype)
    with np.printoptions(**options):
        texts = c_text.number_lines(values).replace("\n", " ").split(",")
        assert c_text.number(values[0], dtype) == texts[0].strip()
    assert all(re.fullmatch(r" +-?\d+(\.\d*)?(e[+-]\d+)?f?", text) for text in texts)
    assert all(("." in text or "e" in text) and text.endswith("f") == (dtype == "float32") for text in texts)
    read = np.array([float(text.strip().rstrip("f")) for text in texts]).astype(dtype)
    assert np.array_equal(read.view(np.uint8), values.view(np.uint8))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_compiler_reads_the_same_bits(dtype: str, tmp_path: Path) -> None:
    values = numbers_of_all_sizes(dtype)
    real = c_text.REALS[dtype]
    source = f"""
#include <stdio.h>
static const {real} values[{values.size}] = {{
{c_text.number_lines(values)}}};
int main(void)
{{
    FILE *out = fopen("out.bin", "wb");
    return !out || fwrite(values, sizeof *values, {values.size}, out) != {values.size} || fclose(out);
}}
"""
    compile_and_run([*compiler(), *STRICT], source, tmp_path)
    assert (tmp_path / "out.bin").read_bytes() == values.tobytes()


def test_long_lines_of_code_are_broken_and_comments_are_not() -> None:
    call = "    " + "f(" + ", ".join(f"argument_{i}" for i in range(30)) + ");"
    kept = ["/* " + "a " * 90, " * " + "b " * 90 + "*/", "}"]
    lines = list(c_text.broken([*kept, call]))
    assert lines[:3] == kept
    made = lines[3:]
    assert max(map(len, made)) <= 120
    assert [len(line) - len(line.lstrip()) for line in made] == [4, *[8] * (len(made) - 1)]
    assert " ".join(" ".join(made).split()) == call.strip()
