"""Categories: worked by hand, and which classes they take."""

import pytest

from terrazzo.core import LabelMap, RequestError
from terrazzo.metrics import fitting_meters
from terrazzo.metrics.categories import CITYSCAPES, CategoryIou
from tests.metrics.judging import grid, labels_of, result

GROUPS = {"thing": ("c0", "c1"), "stuff": ("c2",)}


def test_categories__a_class_taken_for_another_of_its_category_is_right() -> None:
    """Of four things one is taken for stuff; of two pixels of stuff none is wrong; void is left out."""
    found = result(CategoryIou(labels_of(3), categories=GROUPS), (grid("0112", "2200"), grid("1010", "22..")))
    thing, stuff = found["per_class"]
    assert (thing["name"], thing["iou"], thing["precision"], thing["recall"]) == ("thing", 3 / 4, 1, 3 / 4)
    assert (stuff["name"], stuff["iou"], stuff["precision"], stuff["recall"]) == ("stuff", 2 / 3, 2 / 3, 1)
    assert found["miou"] == pytest.approx((3 / 4 + 2 / 3) / 2)
    assert found["pixel_accuracy"] == 5 / 6


@pytest.mark.parametrize(
    ("categories", "sentence"),
    [
        ({"thing": ("c0", "c1")}, "'c2' is not"),
        ({"thing": ("c0", "c1", "c2"), "stuff": ("c2",)}, "'c2' is not"),
        ({"thing": ("c0", "c1"), "stuff": ("c2", "c9")}, "'c9' is no class here"),
    ],
)
def test_categories__need_every_class_once(categories: dict[str, tuple[str, ...]], sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        CategoryIou(labels_of(3), categories=categories)


def test_categories__are_known_for_the_classes_of_cityscapes_alone() -> None:
    names = [name for group in CITYSCAPES.values() for name in group]
    labels = LabelMap.of({name: (place, 0, 0) for place, name in enumerate(names)})
    assert "categories" in fitting_meters(labels)
    assert "categories" not in fitting_meters(labels_of(3))
