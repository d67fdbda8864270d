"""Exchanged classes are told from classes that merely resemble each other."""

import numpy as np
import pytest

from terrazzo.inspect.doctor.labels import exchanged
from terrazzo.inspect.sums import Sums


def sums_of(looks: list[float], spread: float) -> Sums:
    """Ten images of each class, whose looks lie evenly around a value."""
    sums = Sums.zero(len(looks))
    offsets = spread * np.linspace(-1.5, 1.5, 10)
    sums.looked[:] = 10
    for k, look in enumerate(looks):
        sums.look[k] = (look + offsets).sum()
        sums.look_squares[k] = ((look + offsets) ** 2).sum()
    return sums


@pytest.mark.parametrize(
    ("other", "moved"),
    [
        ([0.2, 0.3, 0.9], {}),
        ([0.28, 0.24, 0.9], {}),  # the other way round, but within what images differ
        ([0.9, 0.3, 0.2], {0: 2, 2: 0}),
        ([0.3, 0.9, 0.2], {0: 1, 1: 2, 2: 0}),
    ],
)
def test_exchanged__only_what_is_clear(other: list[float], moved: dict[int, int]) -> None:
    assert exchanged(sums_of([0.2, 0.3, 0.9], 0.08), sums_of(other, 0.08)) == moved


def test_exchanged__needs_a_few_images() -> None:
    few = sums_of([0.9, 0.3, 0.2], 0.08)
    few.looked[:] = 2
    assert exchanged(sums_of([0.2, 0.3, 0.9], 0.08), few) == {}
