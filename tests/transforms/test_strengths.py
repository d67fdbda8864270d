"""A strength is a share of the mean image change at strength 1, measured on scenes of its own."""

import itertools

import numpy as np
import pytest

from terrazzo.datasets import build_dataset
from terrazzo.transforms import OPERATIONS
from terrazzo.transforms.measure import Pair, calibrated, change_at
from terrazzo.transforms.strengths import GRID, amount_at, full_change

STRENGTHS = (0.2, 0.5, 0.8, 1.0)


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    return [(sample["image"], sample["mask"]) for sample in build_dataset("scenes", split="val", count=10)]


@pytest.mark.parametrize("kind", sorted(OPERATIONS))
def test_strength__follows_the_declared_line_and_rises(kind: str, pairs: list[Pair]) -> None:
    measured = [change_at(kind, strength, pairs, draws=2) for strength in STRENGTHS]
    declared = [strength * full_change(kind) for strength in STRENGTHS]
    assert measured == sorted(measured)
    for found, wanted in zip(measured, declared, strict=True):
        assert found == pytest.approx(wanted, rel=0.35, abs=0.012)
    # Other scenes change more or less as a whole; the line itself holds closer.
    line = np.array(measured) / measured[-1]
    assert np.abs(line - STRENGTHS).max() < 0.12


@pytest.mark.parametrize("kind", sorted(OPERATIONS))
def test_amounts__rise_from_nothing_to_everything(kind: str) -> None:
    amounts = [amount_at(kind, float(strength)) for strength in GRID]
    assert amounts[0] == 0
    assert amounts[-1] == 1
    assert all(one < two for one, two in itertools.pairwise(amounts))


def test_calibrated__finds_the_square_root_of_a_square(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("terrazzo.transforms.measure.change_at", lambda kind, s, pairs, **rest: 0.3 * s * s)
    change, amounts = calibrated("blur", [], steps=100)
    assert change == pytest.approx(0.3)
    assert amounts == pytest.approx(np.sqrt(GRID), abs=0.006)
