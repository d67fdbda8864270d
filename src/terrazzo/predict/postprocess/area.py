"""An area as a person gives it: pixels, or per mille of the image."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import RequestError
from terrazzo.core.labels import LabelMap
from terrazzo.predict.postprocess.arguments import Arguments, written

EXPECTED = "expected an area in pixels such as 70, or in thousandths of the image such as 0.5permille"


@dataclass(frozen=True)
class Area:
    """How large something must be."""

    amount: float
    """0 or more: whole pixels, or thousandths."""

    permille: bool = False
    """Whether `amount` is thousandths of the image."""

    @property
    def words(self) -> str:
        """As it would be asked for."""
        return f"{self.amount:g}permille" if self.permille else str(int(self.amount))

    def pixels(self, image: int) -> int:
        """Return whole pixels of an image of so many: fewer than these are too few."""
        return math.ceil(self.amount * image / 1000) if self.permille else int(self.amount)


def parse_area(text: str, step: str) -> Area:
    """Read `70`, `70px`, `0.5permille` or `0.5‰`.

    Raises:
        RequestError: none of these.
    """
    found = re.fullmatch(r"(\d+)(?:px)?|(\d+\.?\d*|\.\d+)(?:permille|‰)", text.replace(" ", ""))
    if not found:
        raise RequestError(f"{step}={text}: {EXPECTED}.")
    if found[1]:
        return Area(int(found[1]))
    area = Area(float(found[2]), permille=True)
    if area.amount > 1000:
        raise RequestError(f"{step}={text} is more than the whole image; {EXPECTED}.")
    return area


@dataclass(frozen=True)
class Areas:
    """An area per class: one for all, and others for some."""

    default: Area
    of_class: Mapping[str, Area]
    labels: LabelMap

    @classmethod
    def read(cls, arguments: Arguments, labels: LabelMap) -> "Areas":
        """Read `70`, `70,Person:20` or `Person:20`; classes that are not named have the first, else none.

        Raises:
            RequestError: no area, several for all, an unknown class.
        """
        bare, step = arguments.bare, arguments.step
        if len(bare) > 1 or not (bare or arguments.named):
            raise RequestError(f"{arguments.words}: {EXPECTED}; for one class {step}=Name:70.")
        default = parse_area(bare[0], step) if bare else Area(0)
        named = {arguments.known_class(name, labels): value for name, value in arguments.named.items()}
        return cls(default, {name: parse_area(value, step) for name, value in named.items()}, labels)

    @property
    def words(self) -> str:
        """As it would be asked for."""
        default = self.default.words if self.default.amount else None
        named = {
            name: self.of_class[name].words
            for name in self.labels.names
            if self.of_class.get(name, self.default) != self.default
        }
        return written(default, named) or "0"

    def per_class(self, image: int) -> NDArray[np.int64]:
        """Return whole pixels per class (K,) for an image of so many."""
        areas = [self.of_class.get(name, self.default) for name in self.labels.names]
        return np.array([area.pixels(image) for area in areas], np.int64)
