"""Two models on a small made-up dataset, and the page that shows them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.evaluate import evaluate_with
from terrazzo.evaluate.explorer import Contender, write_explorer
from terrazzo.predict import answer
from tests.evaluate.made import Made, NearestColor

HOSTILE = (
    '<script>alert("1")</script>',
    "\"><img src='x' onerror=alert(2)>",
    "</script><!-- {{ 7*7 }} & 'quoted'",
)


class Graded(Made):
    """Four classes, each taken for each other somewhere; later images are a little harder, all to the end."""

    def __init__(self, count: int) -> None:
        groups = ["north" if i % 3 else "south" for i in range(count)]
        super().__init__(count, names=("sky", "road", "car", "sign"), groups=groups)

    def read(self, index: int) -> tuple[NDArray[Any], NDArray[Any], str]:
        random = np.random.default_rng(index)
        mask = random.integers(0, 4 if index % 5 else 3, (4, 6)).repeat(12, axis=0).repeat(12, axis=1)
        noise = random.random(mask.shape) < 0.05 + 0.01 * index
        shown = np.where(noise, random.integers(0, 4, mask.shape), mask)
        mask[:3] = 255
        return self.labels.palette[shown], mask.astype(np.uint8), f"{self.ids[index]}.png"


def sure(dataset: Made, name: str = "nearest") -> Contender:
    """A model with probabilities."""
    model = NearestColor(dataset.labels.num_classes, dataset.in_channels)

    def predict(image: NDArray[Any]) -> Any:
        return answer(model, image)

    return Contender(name, evaluate_with(predict, dataset), predict, {"weights": "none"})


def turned(dataset: Made, name: str = "turned") -> Contender:
    """A model that knows labels only, and takes class 1 for class 2 in the upper half."""
    first = sure(dataset).predict

    def predict(image: NDArray[Any]) -> NDArray[Any]:
        ids: NDArray[Any] = first(image).ids.copy()  # type: ignore[union-attr]  # an Answer
        upper = ids[: len(ids) // 2]
        upper[upper == 1] = 2
        return ids

    return Contender(name, evaluate_with(predict, dataset), predict)


def written(folder: Path, dataset: Made, models: Sequence[Contender] = (), **options: Any) -> Path:
    title = options.pop("title", "A page")
    return write_explorer(folder, models or [sure(dataset)], dataset=dataset, title=title, **options)


def layer_colors(path: Path) -> NDArray[np.uint8]:
    """Return a PNG as RGBA (H, W, 4)."""
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGBA"))
