"""Exchanged classes are told from classes that merely resemble each other."""

from pathlib import Path

import numpy as np
import pytest

from terrazzo.core.errors import RequestError
from terrazzo.inspect import open_source, report_of, take_survey
from terrazzo.inspect.doctor.against import swapped_against
from terrazzo.inspect.doctor.labels import exchanged
from terrazzo.inspect.sums import Sums
from terrazzo.inspect.survey import Survey
from tests.inspect.faults import change_classes, each_mask


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


def taken(root: Path) -> Survey:
    return take_survey(open_source(root))


def test_swapped_against__finds_ids_exchanged_in_the_whole_of_a_dataset(
    scenes_folder: Path, clean_scenes: Path
) -> None:
    clean = taken(clean_scenes)
    assert swapped_against(taken(scenes_folder), clean) == []
    for split in ("train", "val"):
        each_mask(scenes_folder, lambda mask: np.choose(mask == 0, [np.where(mask == 2, 0, mask), 2]), split)
    report = report_of(taken(scenes_folder), clean)
    (found,) = [f for f in report.findings if f.kind == "ids-swapped-against"]
    assert "road looks like sky, sky looks like road" in found.message
    assert not [f for f in report.findings if f.kind == "ids-swapped"], "both splits are exchanged alike"


def test_swapped_against__other_classes_are_refused(clean_scenes: Path, scenes_folder: Path) -> None:
    change_classes(
        scenes_folder, lambda data: [c.update(name=f"x{i}") for i, c in enumerate(data["classes"])]
    )
    with pytest.raises(RequestError, match="have 0 class names in common; two or more are needed"):
        swapped_against(taken(scenes_folder), taken(clean_scenes))
