"""Plans: pure functions of (seed, epoch), with the shares of the papers."""

import math

import numpy as np
import pytest

from terrazzo.train.plans import ByClass, Plan, Repeated, Uniform, by_weights, rare_classes, repeat_factors

COUNTS = np.array([[90, 0, 10], [100, 0, 0], [50, 50, 0], [99, 1, 0]])
FREQUENCY = (COUNTS > 0).mean(axis=0)

PLANS: dict[str, Plan] = {
    "uniform": Uniform(7),
    "repeated": Repeated(np.array([0.0, 1.0, 2.3, 1.7])),
    "weights": by_weights(np.array([1.0, 0.0, 2.0, 1.0])),
    "repeat_factors": repeat_factors(FREQUENCY, COUNTS > 0, 0.6),
    "class_balanced": rare_classes(COUNTS, temperature=math.inf, least_NK=COUNTS > 0),
    "rare_classes": rare_classes(COUNTS, temperature=0.1, least_NK=COUNTS > 20),
}


@pytest.mark.parametrize("name", PLANS)
def test_plan__every_epoch_has_its_own_draws_of_one_length(name: str) -> None:
    plan = PLANS[name]
    epochs = [plan.visits(3, epoch).samples for epoch in range(20)]
    assert {len(samples) for samples in epochs} == {plan.length}
    assert len({samples.tobytes() for samples in epochs}) > 3
    again = plan.visits(3, 11)
    np.testing.assert_array_equal(again.samples, epochs[11])
    assert any((plan.visits(4, e).samples != epochs[e]).any() for e in range(20))


def shares(plan: Plan, samples: int, epochs: int = 400) -> np.ndarray:
    """Mean visits of each sample an epoch."""
    drawn = np.concatenate([plan.visits(0, e).samples for e in range(epochs)])
    return np.bincount(drawn, minlength=samples) / epochs


def test_repeated__mean_is_as_asked_and_each_epoch_within_one() -> None:
    plan = PLANS["repeated"]
    for epoch in range(30):
        times = np.bincount(plan.visits(0, epoch).samples, minlength=4)
        assert times.tolist()[:2] == [0, 1]
        assert times[2] in {2, 3}
        assert times[3] in {1, 2}
    assert np.abs(shares(plan, 4) - [0, 1, 2.3, 1.7]).max() < 0.06


def test_by_weights__in_proportion() -> None:
    assert shares(PLANS["weights"], 4).tolist() == [1.0, 0.0, 2.0, 1.0]


def test_repeat_factors__worked_by_hand() -> None:
    """f = (1, 1/2, 1/4); at t = 0.6 classes 1 and 2 have sqrt(0.6 / f) = 1.095 and 1.549."""
    plan = PLANS["repeat_factors"]
    assert isinstance(plan, Repeated)
    expected = [math.sqrt(0.6 / 0.25), 1.0, math.sqrt(0.6 / 0.5), math.sqrt(0.6 / 0.5)]
    np.testing.assert_allclose(plan.times, expected)


def test_repeat_factors__a_class_nobody_has_changes_nothing() -> None:
    counts = np.concatenate([COUNTS, np.zeros((4, 1), int)], axis=1)
    plan = repeat_factors((counts > 0).mean(axis=0), counts > 0, 0.6)
    np.testing.assert_array_equal(plan.visits(1, 1).samples, PLANS["repeat_factors"].visits(1, 1).samples)


def test_rare_classes__chances_of_the_paper() -> None:
    plan = PLANS["rare_classes"]
    assert isinstance(plan, ByClass)
    f = np.array([339, 51, 10]) / 400
    expected = np.exp((1 - f) / 0.1)
    np.testing.assert_allclose(plan.shares, expected / expected.sum())
    assert plan.members[0].tolist() == [0, 1, 2, 3]
    assert plan.members[1].tolist() == [2], "the sample with one pixel of it shows too little"
    assert plan.members[2].tolist() == [0], "nobody shows enough, so all that have it"


def test_rare_classes__draws_say_what_for() -> None:
    plan = PLANS["class_balanced"]
    assert isinstance(plan, ByClass)
    np.testing.assert_allclose(plan.shares, [1 / 3] * 3)
    visits = plan.visits(0, 0)
    assert visits.wanted is not None
    assert all(COUNTS[s, k] > 0 for s, k in zip(visits.samples, visits.wanted, strict=True))
    drawn = np.concatenate([np.asarray(plan.visits(0, e).wanted) for e in range(500)])
    assert np.abs(np.bincount(drawn) / len(drawn) - 1 / 3).max() < 0.04


def test_rare_classes__a_class_nobody_has_is_never_drawn() -> None:
    counts = np.array([[5, 0], [3, 0]])
    plan = rare_classes(counts, temperature=1e-4, least_NK=counts > 0)
    assert plan.shares.tolist() == [1.0, 0.0]


def test_repeated__neighbours_are_drawn_independently() -> None:
    plan = Repeated(np.full(6, 0.5))
    together = [{0, 1} <= set(plan.visits(0, e).samples.tolist()) for e in range(200)]
    assert 0.1 < np.mean(together) < 0.4
