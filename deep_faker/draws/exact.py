"""Logarithm, exponential and normal quantile whose bytes never depend on the machine.

The C library and numpy choose other instructions on other processors and may differ in the last
bit.  These are made of ``+ - * /``, square roots and exponent shifts only, which IEEE 754 rounds in
one way, in the same order for arrays and for Python floats: the scalar twins are bit-equal.

>>> float(log_(np.array([10.0]))[0]) == log1_(10.0)
True
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]

# Coefficients of fdlibm (e_log.c, e_exp.c; Sun Microsystems, freely licensed): error below 1 ulp.
_LN2_HI, _LN2_LO = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_INV_LN2, _SQRT_HALF = 1.44269504088896338700, 0.70710678118654752440
_LOG = (
    6.666666666666735130e-01,
    3.999999999940941908e-01,
    2.857142874366239149e-01,
    2.222219843214978396e-01,
    1.818357216161805012e-01,
    1.531383769920937332e-01,
    1.479819860511658591e-01,
)
_EXP = (
    1.66666666666666019037e-01,
    -2.77777777770155933842e-03,
    6.61375632143793436117e-05,
    -1.65339022054652515390e-06,
    4.13813679705723846039e-08,
)
_EXP_MIN, _EXP_MAX = -745.0, 709.78  # outside: zero and infinity

# Normal quantile: Wichura, algorithm AS 241 (PPND16), Applied Statistics 37 (1988); error below 1e-15.
_CENTRE = (
    (
        2.5090809287301226727e3,
        3.3430575583588128105e4,
        6.7265770927008700853e4,
        4.5921953931549871457e4,
        1.3731693765509461125e4,
        1.9715909503065514427e3,
        1.3314166789178437745e2,
        3.3871328727963666080e0,
    ),
    (
        5.2264952788528545610e3,
        2.8729085735721942674e4,
        3.9307895800092710610e4,
        2.1213794301586595867e4,
        5.3941960214247511077e3,
        6.8718700749205790830e2,
        4.2313330701600911252e1,
        1.0,
    ),
)
_MIDDLE = (
    (
        7.74545014278341407640e-4,
        2.27238449892691845833e-2,
        2.41780725177450611770e-1,
        1.27045825245236838258e0,
        3.64784832476320460504e0,
        5.76949722146069140550e0,
        4.63033784615654529590e0,
        1.42343711074968357734e0,
    ),
    (
        1.05075007164441684324e-9,
        5.47593808499534494600e-4,
        1.51986665636164571966e-2,
        1.48103976427480074590e-1,
        6.89767334985100004550e-1,
        1.67638483018380384940e0,
        2.05319162663775882187e0,
        1.0,
    ),
)
_TAIL = (
    (
        2.01033439929228813265e-7,
        2.71155556874348757815e-5,
        1.24266094738807843860e-3,
        2.65321895265761230930e-2,
        2.96560571828504891230e-1,
        1.78482653991729133580e0,
        5.46378491116411436990e0,
        6.65790464350110377720e0,
    ),
    (
        2.04426310338993978564e-15,
        1.42151175831644588870e-7,
        1.84631831751005468180e-5,
        7.86869131145613259100e-4,
        1.48753612908506148525e-2,
        1.36929880922735805310e-1,
        5.99832206555887937690e-1,
        1.0,
    ),
)


def log_(x: F64) -> F64:
    """Natural logarithm of positive finite floats."""
    mantissa, exponent = np.frexp(x)
    small = mantissa < _SQRT_HALF
    f = np.where(small, mantissa + mantissa, mantissa) - 1.0
    k = (exponent - small).astype(np.float64)
    s = f / (2.0 + f)
    z = s * s
    r = np.full_like(z, _LOG[6])
    for c in _LOG[5::-1]:
        r *= z
        r += c
    r *= z
    half = 0.5 * f * f
    return k * _LN2_HI - ((half - (s * (half + r) + k * _LN2_LO)) - f)


def log1_(x: float) -> float:
    """The twin of `log_`.

    >>> log1_(1.0), log1_(2.0)
    (0.0, 0.6931471805599453)
    """
    mantissa, exponent = math.frexp(x)
    if mantissa < _SQRT_HALF:
        mantissa, exponent = mantissa + mantissa, exponent - 1
    f = mantissa - 1.0
    k = float(exponent)
    s = f / (2.0 + f)
    z = s * s
    c0, c1, c2, c3, c4, c5, c6 = _LOG
    r = ((((((c6 * z + c5) * z + c4) * z + c3) * z + c2) * z + c1) * z + c0) * z
    half = 0.5 * f * f
    return k * _LN2_HI - ((half - (s * (half + r) + k * _LN2_LO)) - f)


def exp_(x: F64) -> F64:
    """The exponential; infinity above 709.78, zero below -745."""
    safe = np.minimum(np.maximum(x, _EXP_MIN), _EXP_MAX)
    k = np.rint(safe * _INV_LN2)
    hi, lo = safe - k * _LN2_HI, k * _LN2_LO
    r = hi - lo
    t = r * r
    c = np.full_like(t, _EXP[4])
    for p in _EXP[3::-1]:
        c *= t
        c += p
    c = r - t * c
    out: F64 = np.ldexp(1.0 - ((lo - (r * c) / (2.0 - c)) - hi), k.astype(np.int32))
    out[x > _EXP_MAX] = np.inf
    out[x < _EXP_MIN] = 0.0
    return out


def exp1_(x: float) -> float:
    """The twin of `exp_`.

    >>> exp1_(0.0), exp1_(1.0)
    (1.0, 2.7182818284590455)
    """
    if x > _EXP_MAX:
        return math.inf
    if x < _EXP_MIN:
        return 0.0
    if math.isnan(x):  # nan has no integer below it
        return x
    k = round(x * _INV_LN2)
    hi, lo = x - k * _LN2_HI, k * _LN2_LO
    r = hi - lo
    t = r * r
    c = _EXP[4]
    for p in _EXP[3::-1]:
        c = c * t + p
    c = r - t * c
    return math.ldexp(1.0 - ((lo - (r * c) / (2.0 - c)) - hi), k)


def normal_from_unit(p: F64) -> F64:
    """Standard normal quantile of floats in (0, 1), see `deep_faker.draws.mix.open_unit`.

    >>> normal_from_unit(np.array([0.5, 0.975])).round(6).tolist()
    [0.0, 1.959964]
    """
    q = p - 0.5
    r = 0.180625 - q * q
    out = q * _ratio(r, _CENTRE)
    outer = np.flatnonzero(r < 0.0)
    if len(outer):
        far = p[outer]
        root = np.sqrt(-log_(np.minimum(far, 1.0 - far)))
        value = _ratio(root - 1.6, _MIDDLE)
        tail = np.flatnonzero(root > 5.0)
        if len(tail):
            value[tail] = _ratio(root[tail] - 5.0, _TAIL)
        out[outer] = np.where(q[outer] < 0.0, -value, value)
    return out


def _ratio(x: F64, coefficients: tuple[tuple[float, ...], tuple[float, ...]]) -> F64:
    top, bottom = (np.full_like(x, part[0]) for part in coefficients)
    for a, b in zip(coefficients[0][1:], coefficients[1][1:], strict=True):
        top *= x
        top += a
        bottom *= x
        bottom += b
    top /= bottom
    return top


def normal_from_unit1(p: float) -> float:
    """The twin of `normal_from_unit`.

    >>> normal_from_unit1(0.5)
    0.0
    """
    q = p - 0.5
    r = 0.180625 - q * q
    if not r < 0.0:
        return q * _ratio1(r, _CENTRE)
    root = math.sqrt(-log1_(min(p, 1.0 - p)))
    value = _ratio1(root - 5.0, _TAIL) if root > 5.0 else _ratio1(root - 1.6, _MIDDLE)
    return -value if q < 0.0 else value


def _ratio1(x: float, coefficients: tuple[tuple[float, ...], tuple[float, ...]]) -> float:
    top, bottom = coefficients[0][0], coefficients[1][0]
    for a, b in zip(coefficients[0][1:], coefficients[1][1:], strict=True):
        top = top * x + a
        bottom = bottom * x + b
    return top / bottom


def exponential_from_unit(p: F64) -> F64:
    """Exponential variate of mean 1 from floats in (0, 1)."""
    return -log_(p)


def exponential_from_unit1(p: float) -> float:
    """The twin of `exponential_from_unit`."""
    return -log1_(p)
