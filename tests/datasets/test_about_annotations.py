"""Every file of an annotation format says what the data are, and its fake has the layout that it says."""

import importlib
from pathlib import Path

import pytest

from terrazzo.datasets import DATASETS
from terrazzo.datasets.about import About
from tests.datasets.test_contract import CASES

KINDS = (
    "coco-panoptic",
    "coco-polygons",
    "coco-stuff",
    "cvat",
    "cvat-masks",
    "isbi-membrane",
    "label-studio",
    "labelme",
    "stanford-2d3ds",
    "volumes",
)


@pytest.mark.parametrize("kind", KINDS)
def test_about__says_what_the_kind_is(kind: str) -> None:
    module = importlib.import_module(getattr(DATASETS[kind], "__module__", ""))
    about = module.ABOUT
    assert isinstance(about, About)
    assert about.name == kind
    assert about.homepage.startswith("http")
    assert about.layout
    for word in ("Classes:", "Format:", "Split:", "Licence:", "Citation:"):
        assert word in (module.__doc__ or ""), f"{kind} does not say its {word}"
    assert "Group:" in (module.__doc__ or "")


@pytest.mark.parametrize("kind", KINDS)
def test_about__fakes_are_new_folders(kind: str, tmp_path: Path) -> None:
    make = CASES[kind].make
    assert make is not None
    assert any(make(tmp_path / "new").iterdir())
