"""Folds: whole groups, or runs of consecutive images; never one image on both sides."""

import numpy as np
import pytest

from terrazzo.core import RequestError
from terrazzo.evaluate.folds import divide
from terrazzo.metrics.units import find_units


def test_divide__groups_stay_whole_and_folds_are_of_like_size() -> None:
    groups = ["a"] * 5 + ["b"] * 3 + ["c"] * 3 + [None] * 2 + ["d"]
    units = find_units([f"{i:02}" for i in range(14)], groups)
    folds = divide(units, 3)
    assert folds.words == "whole groups (6)"
    by_image = dict(zip(units.order, folds.fold.tolist(), strict=True))
    for name in ("a", "b", "c"):
        assert len({by_image[i] for i, group in enumerate(groups) if group == name}) == 1
    assert np.bincount(folds.fold).tolist() == [5, 5, 4]
    assert len(folds) == 3


def test_divide__no_more_folds_than_groups() -> None:
    units = find_units(["1", "2", "3", "4"], ["a", "a", "b", "b"])
    assert divide(units, 5).fold.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("group", [None, "video"])
def test_divide__runs_of_consecutive_images(group: str | None) -> None:
    ids = [f"frame_{i}" for i in range(1, 13)]
    units = find_units(ids, [group] * 12)
    folds = divide(units, 5)
    assert folds.fold.tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 4, 4]
    if group:  # in the natural order of the frames: 2 before 10
        assert [ids[i] for i in units.order] == ids
    assert folds.words == "runs of consecutive images"


@pytest.mark.parametrize(("images", "folds"), [(1, 5), (6, 1)])
def test_divide__too_few(images: int, folds: int) -> None:
    units = find_units([f"{i}" for i in range(images)], [None] * images)
    with pytest.raises(RequestError, match=f"{folds} folds and {images} images? were given. Give more"):
        divide(units, folds)
