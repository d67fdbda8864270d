"""The one number of temperature scaling, fitted by likelihood (Guo et al. 2017, section 4.2).

Shapes: N pixels, K classes.
"""

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

COLDEST: Final = 0.05
HOTTEST: Final = 20.0
"""Where the temperature is looked for. A model without a single error has none: the colder, the likelier."""

DIGITS: Final = 4
"""Decimals that are kept: far finer than the data can tell, and coarser than rounding on any machine."""


def fit_temperature(logits_NK: NDArray[np.float32], truth_N: NDArray[Any]) -> float:
    """Return the temperature whose softmax makes the truth likeliest.

    The negative log-likelihood is convex in 1 / temperature, so it has one valley over the logarithm of the
    temperature, and a bounded search (Brent) finds its floor.

    Args:
        logits_NK: raw scores of N pixels, N at least 1.
        truth_N: the true train id of each, 0..K-1.
    """
    from scipy.optimize import minimize_scalar

    shifted_NK = logits_NK - logits_NK.max(axis=1, keepdims=True)
    true_N = np.take_along_axis(shifted_NK, truth_N[:, None].astype(np.intp), axis=1)[:, 0]
    if not true_N.any():  # no pixel is wrong: the colder, the likelier
        return COLDEST
    true_sum = float(true_N.sum(dtype=np.float64))

    def loss(log_temperature: float) -> float:
        factor = np.float32(math.exp(-log_temperature))
        log_total_N = np.log(np.exp(shifted_NK * factor).sum(axis=1))
        return (float(log_total_N.sum(dtype=np.float64)) - float(factor) * true_sum) / len(truth_N)

    bounds = (math.log(COLDEST), math.log(HOTTEST))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    return round(math.exp(float(found.x)), DIGITS)


def at_the_end(temperature: float) -> bool:
    """Tell whether the search ended at its bounds: the data names no temperature."""
    return not 1.02 * COLDEST < temperature < 0.98 * HOTTEST
