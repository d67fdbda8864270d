"""exp and log in float32 from plain arithmetic, so that the compiler turns loops over them into vectors.

Coefficients: the polynomials of the Cephes library's expf and logf (Moshier 1992), good to 2 units in the
last place over the ranges used here.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from terrazzo.kernels.cpu.jit import inlined

_instructions: Callable[[Callable[..., Any]], Callable[..., Any]] = intrinsic

_LOG2E = np.float32(1.44269504088896341)
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_ONE, _HALF, _BIAS = np.float32(1), np.float32(0.5), np.float32(127)
_SQRT_HALF = np.float32(0.70710678)
LOWEST = np.float32(-87)
"""Below it exp is no normal float32; `exp` takes -87..87."""

_E0, _E1, _E2 = np.float32(1.9875691500e-4), np.float32(1.3981999507e-3), np.float32(8.3334519073e-3)
_E3, _E4, _E5 = np.float32(4.1665795894e-2), np.float32(1.6666665459e-1), np.float32(5.0000001201e-1)
_L0, _L1, _L2 = np.float32(7.0376836292e-2), np.float32(-1.1514610310e-1), np.float32(1.1676998740e-1)
_L3, _L4, _L5 = np.float32(-1.2420140846e-1), np.float32(1.4249322787e-1), np.float32(-1.6668057665e-1)
_L6, _L7, _L8 = np.float32(2.0000714765e-1), np.float32(-2.4999993993e-1), np.float32(3.3333331174e-1)


@_instructions
def _whole(typing_context: Any, value: Any) -> Any:
    """Round a float32 towards zero, to int32."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fptosi(arguments[0], ir.IntType(32))

    return types.int32(types.float32), build


@_instructions
def _from_exponent(typing_context: Any, value: Any) -> Any:
    """Return 2 ** (value - 127) from an int32: the value becomes the exponent bits of a float32."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.shl(arguments[0], ir.Constant(ir.IntType(32), 23))
        return builder.bitcast(bits, ir.FloatType())

    return types.float32(types.int32), build


@_instructions
def _exponent(typing_context: Any, value: Any) -> Any:
    """Return the exponent e of a positive float32 m * 2 ** e with m in 0.5..1, as float32."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        int32 = ir.IntType(32)
        bits = builder.lshr(builder.bitcast(arguments[0], int32), ir.Constant(int32, 23))
        return builder.sitofp(builder.sub(bits, ir.Constant(int32, 126)), ir.FloatType())

    return types.float32(types.float32), build


@_instructions
def _mantissa(typing_context: Any, value: Any) -> Any:
    """Return the m in 0.5..1 of a positive float32 m * 2 ** e."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        int32 = ir.IntType(32)
        bits = builder.and_(builder.bitcast(arguments[0], int32), ir.Constant(int32, 0x007FFFFF))
        return builder.bitcast(builder.or_(bits, ir.Constant(int32, 0x3F000000)), ir.FloatType())

    return types.float32(types.float32), build


@inlined
def exp(x: np.float32) -> np.float32:
    """Return e ** x for x in -87..87; nan for nan."""
    biased = _whole(x * _LOG2E + (_BIAS + _HALF))
    n = np.float32(biased) - _BIAS
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    p = ((((_E0 * r + _E1) * r + _E2) * r + _E3) * r + _E4) * r + _E5
    result: np.float32 = (p * (r * r) + r + _ONE) * _from_exponent(biased)
    return result


@inlined
def log(x: np.float32) -> np.float32:
    """Return the natural logarithm of a positive normal x; nan for nan."""
    e, m = _exponent(x), _mantissa(x)
    small = m < _SQRT_HALF
    e = e - _ONE if small else e
    m = m + m - _ONE if small else m - _ONE
    z = m * m
    p = (
        (((((((_L0 * m + _L1) * m + _L2) * m + _L3) * m + _L4) * m + _L5) * m + _L6) * m + _L7) * m + _L8
    ) * m
    result: np.float32 = (p * z + e * _LN2_LOW - _HALF * z) + m + e * _LN2_HIGH
    return result
