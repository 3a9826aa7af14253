"""Matrix products of NumPy arrays."""

import numpy as np
from numpy.typing import ArrayLike

from fastnet._core import gemm as _core_gemm
from fastnet.functional._floats import FLOAT_DTYPES, Array, floats
from fastnet.support.validation import check_bool, check_choice, check_number

__all__ = ["gemm"]


def gemm(
    a: ArrayLike,
    b: ArrayLike,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    alpha: float = 1.0,
    beta: float = 0.0,
    out: Array | None = None,
    compute_dtype: str | None = None,
) -> Array:
    """Return ``alpha * op(a) @ op(b) + beta * out``, the general matrix multiplication (GEMM) of BLAS.

    Parameters
    ----------
    a : array_like, shape (m, k), or (k, m) with `transpose_a`
        The left factor.
    b : array_like, shape (k, n), or (n, k) with `transpose_b`
        The right factor.
    transpose_a, transpose_b : bool, default False
        Whether op transposes the factor.
    alpha : float, default 1.0
        The factor of the product.
    beta : float, default 0.0
        The factor of what `out` holds before. With 0 it is not read, so NaN in it does no harm.
    out : ndarray of shape (m, n), optional
        Where the result goes. It may overlap `a` and `b`. After Ctrl-C it may hold a part of the result.
    compute_dtype : {None, "bfloat16"}, default None
        With "bfloat16" the factors, which must be float32, are rounded to bfloat16 (8 significant bits, the range of
        float32; ties to even, subnormal numbers to zero) before they are multiplied; products, sums and the result are
        float32. Terms are added in one order on every machine: in passes of at most 512 and blocks of 32, the first 16
        of a block one after the other from 0, the others likewise, then sum + (first + second). Where `show_config` says
        that bfloat16 is native, this takes about half the time.

    Returns
    -------
    ndarray of shape (m, n)
        `out` if it is given, else a new array.

    Raises
    ------
    ValueError
        An argument is not two-dimensional, the shapes do not fit, `out` is read-only or has another dtype than the
        product, or it is missing while `beta` is not 0.
    TypeError
        A factor does not hold real numbers or, with `compute_dtype`, is not float32; `out` is not an array; or another
        argument has the wrong type.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> fn.gemm([[1.0, 2.0]], [[3.0, 4.0]], transpose_b=True)
    array([[11.]])
    """
    # The core takes arrays of one dtype of its own as they are: the shortest way for small ones.
    if not (type(a) is type(b) is np.ndarray and a.dtype is b.dtype and a.dtype in FLOAT_DTYPES):
        a, b = floats(a=a, b=b)
    bfloat16 = compute_dtype is not None and check_choice("compute_dtype", compute_dtype, ["bfloat16"]) == "bfloat16"
    if bfloat16 and a.dtype != np.float32:
        raise TypeError(f"a and b must be float32 for compute_dtype='bfloat16'; got {a.dtype}")
    if out is not None:
        if not isinstance(out, np.ndarray):
            raise TypeError(f"out must be an ndarray; got {type(out).__name__}")
    elif beta != 0.0:
        raise ValueError(f"out must be given when beta is not 0; got out=None and beta={beta}")
    try:
        return _core_gemm(a, b, transpose_a, transpose_b, alpha, beta, out, bfloat16)
    except TypeError:  # found out afterwards, so that a good call pays nothing for it
        check_bool("transpose_a", transpose_a)
        check_bool("transpose_b", transpose_b)
        check_number("alpha", alpha)
        check_number("beta", beta)
        raise
