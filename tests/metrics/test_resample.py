import numpy as np
import pytest
from scipy import stats

from terrazzo.metrics.resample import Spread, draws, half_width, holm, jackknife, p_value
from terrazzo.metrics.units import find_units


def spread(variance: float, freedom: float) -> Spread:
    return Spread(np.asarray(variance), np.asarray(freedom))


def test_jackknife__of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(0).uniform(size=30)
    left_out = (values.sum() - values) / 29
    found = jackknife(left_out, find_units([f"{i:02d}" for i in range(30)], [None] * 30))
    assert found.variance == pytest.approx(values.var(ddof=1) / 30)
    assert found.freedom == 29, "the tails of uniform numbers are short"


def test_jackknife__of_heavy_tails_has_fewer_degrees_of_freedom() -> None:
    values = np.zeros(100)
    values[:4] = 1, -1, 2, -2
    found = jackknife(-values / 99, find_units([f"{i:02d}" for i in range(100)], [None] * 100))
    kurtosis = (values**4).mean() / (values**2).mean() ** 2
    assert found.freedom == pytest.approx(99 * 2 / (kurtosis - 1))
    assert found.freedom < 7


def test_jackknife__of_blocks_sees_what_neighbours_share() -> None:
    random = np.random.default_rng(0)
    frames = np.repeat(random.standard_normal(40), 10)  # ten equal frames, forty times
    units = find_units([f"{i:03d}" for i in range(400)], ["video"] * 400)
    ring = np.concatenate([frames, frames])
    sums = np.array([ring[i : i + units.length].sum() for i in range(400)])
    left_out = (frames.sum() - sums) / (400 - units.length)
    by_frame = frames.var() / 400
    truth = frames.var() / 40
    assert 0.6 * truth < jackknife(left_out, units).variance < 1.4 * truth
    assert by_frame < 0.2 * truth


def test_draws__are_as_many_as_units_and_depend_on_the_seed_alone() -> None:
    units = find_units([f"{i:03d}" for i in range(100)], ["video"] * 100)
    weights = np.concatenate(list(draws(units, 300, seed=1)))
    assert weights.shape == (300, 100)
    assert set(weights.sum(axis=1)) == {8}, "100 frames are 7.7 blocks of 13"
    np.testing.assert_array_equal(weights, np.concatenate(list(draws(units, 300, seed=1))))


def test_half_width__is_t_times_the_error_for_normal_resamples_and_few_units() -> None:
    many, few = (find_units([f"{i:02d}" for i in range(n)], [None] * n) for n in (50, 5))
    drawn = np.random.default_rng(0).normal(3, 0.1, 40_000)
    wanted = 2 * stats.t.ppf(0.975, 20)
    for units, tolerance in ((many, 0.02), (few, 1e-12)):
        half = half_width(np.asarray(3.0), drawn, spread(4.0, 20), units, 0.95)
        assert float(half) == pytest.approx(wanted, rel=tolerance)


def test_half_width__does_not_count_resamples_without_a_score_and_is_0_without_spread() -> None:
    units = find_units([f"{i:02d}" for i in range(50)], [None] * 50)
    drawn = np.random.default_rng(0).normal(0, 1, 1000)
    holes = np.concatenate([drawn, np.full(1000, np.nan)])
    zero = np.asarray(0.0)
    assert half_width(zero, drawn, spread(1, 9), units, 0.95) == half_width(
        zero, holes, spread(1, 9), units, 0.95
    )
    assert half_width(zero, np.zeros(10), spread(0, 9), units, 0.95) == 0
    assert np.isnan(half_width(zero, drawn, spread(np.nan, 9), units, 0.95))


def test_spread__plus_follows_satterthwaite() -> None:
    both = spread(2.0, 10).plus(spread(1.0, 1))
    assert both.variance == 3
    assert both.freedom == pytest.approx(9 / (4 / 10 + 1 / 1))
    assert spread(2.0, 10).plus(spread(0.0, 1)).freedom == pytest.approx(10)
    assert spread(0.0, 10).plus(spread(0.0, 1)).freedom == 10


def test_p_value__is_that_of_a_t_test() -> None:
    values = np.random.default_rng(2).normal(0.4, 1, 25)
    found = p_value(np.asarray(values.mean()), spread(values.var(ddof=1) / 25, 24))
    assert found == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    assert p_value(np.asarray(0.0), spread(0, 3)) == 1
    assert p_value(np.asarray(0.1), spread(0, 3)) == 0
    assert np.isnan(p_value(np.asarray(0.1), spread(np.nan, 3)))


def test_holm__steps_down_and_passes_over_what_was_not_tested() -> None:
    # 4 x 0.01; 3 x 0.02, then 2 x 0.03 and 1 x 0.04, never below what came before
    p = np.array([0.04, 0.01, np.nan, 0.03, 0.02])
    np.testing.assert_allclose(holm(p), [0.06, 0.04, np.nan, 0.06, 0.06])
    np.testing.assert_allclose(holm(np.array([0.5, 0.9])), [1, 1])
    assert np.isnan(holm(np.array([np.nan]))).all()
