"""The temperature that was put in comes out again."""

import numpy as np
import pytest
from numpy.typing import NDArray

from terrazzo.metrics.temperature import COLDEST, HOTTEST, at_the_end, fit_temperature


def planted(temperature: float, count: int = 40_000) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return logits that are `temperature` times too large, and truth drawn from the honest softmax."""
    random = np.random.default_rng(0)
    honest = 2 * random.standard_normal((count, 5))
    gumbel = -np.log(-np.log(random.random((count, 5))))
    return (temperature * honest).astype(np.float32), (honest + gumbel).argmax(axis=1)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 1.7, 8.0])
def test_fit_temperature__recovers_a_planted_temperature(temperature: float) -> None:
    assert fit_temperature(*planted(temperature)) == pytest.approx(temperature, rel=0.02)


def test_fit_temperature__is_where_the_likelihood_is_greatest() -> None:
    logits, truth = planted(2.0, 500)

    def nll(temperature: float) -> float:
        wide = logits.astype(np.float64) / temperature
        return float((np.log(np.exp(wide).sum(axis=1)) - wide[np.arange(len(truth)), truth]).mean())

    found = fit_temperature(logits, truth)
    grid = np.geomspace(COLDEST, HOTTEST, 2000)
    assert nll(found) <= min(map(nll, grid)) + 1e-7


def test_fit_temperature__without_any_error_ends_cold_and_with_nothing_but_errors_hot() -> None:
    logits = np.array([[9.0, 0.0], [0.0, 9.0]], np.float32)
    cold, hot = fit_temperature(logits, np.array([0, 1])), fit_temperature(logits, np.array([1, 0]))
    assert cold < 1.1 * COLDEST
    assert hot > 0.9 * HOTTEST
    assert at_the_end(hot)
    assert not at_the_end(1.0)


def test_fit_temperature__huge_logits_do_not_overflow() -> None:
    logits = np.array([[1e30, 0.0, -1e30], [1e30, 0.0, 0.0]], np.float32)
    assert np.isfinite(fit_temperature(logits, np.array([0, 1])))
