"""Initializers draw what they say: the right distribution, reproducibly, in the right type."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastnet as fn
from fastnet import initializers
from fastnet.initializers import VarianceScaling
from fastnet.initializers.scaling import compute_fans

SHAPE = (400, 600)
NAMES = [
    *["glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal"],
    *["uniform", "random_uniform", "normal", "random_normal", "truncated_normal", "variance_scaling"],
]


def draw(initializer: Any, shape: tuple[int, ...] = SHAPE, dtype: str = "float64") -> np.ndarray:
    return initializers.get(initializer)(shape, dtype, generator=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("name", "variance"),
    [
        ("glorot_uniform", 2 / 1000),
        ("glorot_normal", 2 / 1000),
        ("he_uniform", 2 / 400),
        ("he_normal", 2 / 400),
        ("lecun_uniform", 1 / 400),
        ("lecun_normal", 1 / 400),
        ("uniform", 0.1**2 / 12),
        ("normal", 0.05**2),
        ("truncated_normal", (0.05 * 0.8796256610342398) ** 2),
    ],
)
def test_values_have_mean_zero_and_the_variance_of_their_name(name: str, variance: float) -> None:
    values = draw(name)
    # 240,000 values: the deviation of their mean is 0.002 of theirs, that of their variance 0.003 of it
    assert abs(values.mean()) < 0.01 * math.sqrt(variance)
    assert values.var() == pytest.approx(variance, rel=0.02)


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("glorot_uniform", math.sqrt(6 / 1000)),
        ("he_uniform", math.sqrt(6 / 400)),
        ("lecun_uniform", math.sqrt(3 / 400)),
        ("uniform", 0.05),
        ("he_normal", 2 * math.sqrt(2 / 400) / 0.8796256610342398),
        ("truncated_normal", 0.1),
    ],
)
def test_values_stay_within_their_limit_and_reach_it(name: str, limit: float) -> None:
    largest = np.abs(draw(name)).max()
    assert 0.99 * limit < largest <= limit


def test_lecture_initializers_can_be_written() -> None:
    assert np.abs(draw(initializers.uniform(-0.5, 0.5))).max() == pytest.approx(0.5, rel=1e-3)
    plain = draw(VarianceScaling(1.0, "fan_in", "untruncated_normal"))
    assert plain.var() == pytest.approx(1 / 400, rel=0.02)
    assert np.abs(plain).max() > 4 * plain.std()  # not cut off


@pytest.mark.parametrize(("mode", "n"), [("fan_in", 400), ("fan_out", 600), ("fan_avg", 500)])
def test_variance_is_the_scale_over_the_fan(mode: str, n: int) -> None:
    assert draw(VarianceScaling(3.0, mode, "uniform")).var() == pytest.approx(3.0 / n, rel=0.02)


def test_fans_of_dense_and_convolution_kernels() -> None:
    assert compute_fans((784, 64)) == (784, 64)
    assert compute_fans((3, 3, 16, 32)) == (144, 288)
    assert compute_fans((64,)) == (64, 64)
    assert compute_fans(()) == (1, 1)


def test_constants() -> None:
    assert_array_equal(draw("zeros", (2, 3)), np.zeros((2, 3)))
    assert_array_equal(draw("ones", (2, 3)), np.ones((2, 3)))
    assert_array_equal(draw(initializers.Constant(0.25), (2, 3)), np.full((2, 3), 0.25))


@pytest.mark.parametrize("name", NAMES)
def test_float32_values_are_the_float64_values_rounded(name: str) -> None:
    assert_array_equal(draw(name, (5, 7), "float32"), draw(name, (5, 7)).astype("float32"))
    assert draw(name, (5, 7), "float32").dtype == np.float32


@pytest.mark.parametrize("name", NAMES)
def test_the_same_generator_gives_the_same_values_and_goes_on(name: str) -> None:
    generator = np.random.default_rng(1)
    initializer = initializers.get(name)
    first, second = (initializer((5, 7), generator=generator) for _ in range(2))
    assert (first != second).any()
    assert_array_equal(first, initializer((5, 7), generator=np.random.default_rng(1)))


def test_an_initializer_with_a_seed_ignores_the_generator() -> None:
    initializer = initializers.HeNormal(seed=3)
    assert_array_equal(initializer((4, 4)), initializer((4, 4), generator=np.random.default_rng(9)))


def test_without_a_generator_the_global_seed_decides() -> None:
    values = []
    for _ in range(2):
        fn.utils.set_random_seed(5)
        values.append(initializers.GlorotUniform()((3, 3)))
    assert_array_equal(*values)


@pytest.mark.parametrize("name", [*NAMES, "zeros", "ones", "constant"])
def test_a_configuration_makes_an_equal_initializer(name: str) -> None:
    initializer = initializers.get(name)
    again = initializers.deserialize(initializers.serialize(initializer))
    assert type(again) is type(initializer)
    assert again.get_config() == initializer.get_config()
    assert_array_equal(draw(again, (3, 4)), draw(initializer, (3, 4)))


def test_name_class_and_object_stand_for_an_initializer() -> None:
    zeros = initializers.Zeros()
    assert initializers.get(zeros) is zeros
    assert isinstance(initializers.get("zeros"), initializers.Zeros)
    assert isinstance(initializers.get("Zeros"), initializers.Zeros)
    assert isinstance(initializers.get(initializers.Zeros), initializers.Zeros)


@pytest.mark.parametrize(
    ("identifier", "error", "message"),
    [
        ("glorot", ValueError, r"initializer must be one of .*'glorot_uniform'.*; got 'glorot'"),
        ("stft", NotImplementedError, r"fastnet: .*'stft'.*; use Keras for this"),
        (np.zeros, NotImplementedError, "use Keras for this"),
        (3, TypeError, r"initializer must be a name.*; got 3 \(int\)"),
        ({"config": {}}, ValueError, "class_name"),
    ],
)
def test_what_is_no_initializer_is_refused(identifier: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        initializers.get(identifier)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VarianceScaling(-1.0), "scale must be at least 0; got -1"),
        (lambda: VarianceScaling(mode="fan"), "mode must be one of 'fan_in', 'fan_out', 'fan_avg'; got 'fan'"),
        (lambda: VarianceScaling(distribution="cauchy"), "distribution must be one of .*; got 'cauchy'"),
        (lambda: initializers.RandomUniform(1.0, 0.0), "maxval must be at least 1; got 0"),
        (lambda: initializers.RandomNormal(stddev=math.nan), "stddev must be at least 0; got nan"),
        (lambda: initializers.HeNormal(seed=-1), "seed must be at least 0; got -1"),
    ],
)
def test_arguments_out_of_range_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (2, 3, 5), (3, 3, 2, 4)])
@pytest.mark.parametrize("gain", [1.0, -2.0])
def test_orthogonal_matrices_have_rows_or_columns_of_length_gain(gain: float, shape: tuple[int, ...]) -> None:
    matrix = draw(initializers.Orthogonal(gain), shape).reshape(-1, shape[-1])
    smaller = matrix.T @ matrix if len(matrix) >= shape[-1] else matrix @ matrix.T
    np.testing.assert_allclose(smaller, gain**2 * np.eye(len(smaller)), atol=1e-14)
    first = initializers.Orthogonal(gain, seed=3)(shape)
    assert_array_equal(first, initializers.deserialize(initializers.serialize(initializers.Orthogonal(gain, 3)))(shape))


def test_orthogonal_matrices_prefer_no_sign() -> None:
    generator = np.random.default_rng(0)
    signs = [initializers.Orthogonal()((2, 2), "float64", generator=generator)[0, 0] > 0 for _ in range(400)]
    assert 150 < sum(signs) < 250


def test_the_identity_is_for_matrices() -> None:
    assert_array_equal(initializers.Identity(0.5)((3, 2), "float64"), 0.5 * np.eye(3, 2))
    for initializer in ("identity", "orthogonal"):
        with pytest.raises(ValueError, match="two dimensions; got shape"):
            draw(initializer, (3,))


def test_names_in_lower_case_are_the_classes() -> None:
    assert initializers.he_normal(seed=1).get_config() == {"seed": 1}
    assert initializers.constant(2.0)((1,))[0] == 2.0
    for name in ("zeros", "ones", "glorot_uniform", "variance_scaling", "truncated_normal", "orthogonal"):
        assert type(initializers.get(name)) is getattr(initializers, name)
