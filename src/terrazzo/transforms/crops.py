"""Where a crop is taken: anywhere, in the middle, or around a pixel of a class that is drawn first.

The default, a preset's own, is anywhere with a cap on the largest class (see `presets`). These replace it.
"""

from dataclasses import dataclass

import numpy as np

from terrazzo.transforms.geometric import Window, draw_window
from terrazzo.transforms.operation import Pixels


@dataclass(frozen=True)
class RandomCrop:
    """Anywhere inside the picture, with no cap on any class."""

    def window(
        self, mask: Pixels, crop: tuple[int, int], scale: float, void: int, rng: np.random.Generator
    ) -> Window:
        """Draw a window at a scale."""
        return draw_window(mask.shape, crop, scale, rng)


@dataclass(frozen=True)
class CenterCrop:
    """The middle of the picture."""

    def window(
        self, mask: Pixels, crop: tuple[int, int], scale: float, void: int, rng: np.random.Generator
    ) -> Window:
        """Return the window in the middle; draws nothing."""
        height, width = crop[0] / scale, crop[1] / scale
        return Window((mask.shape[0] - height) / 2, (mask.shape[1] - width) / 2, height, width)


@dataclass(frozen=True)
class ClassCrop:
    """Around a pixel of a class: classes of few pixels are seen as often as those of many."""

    classes: tuple[int, ...] = ()
    """Drawn from these, by names or train ids; by default from all that the picture has."""

    chance: float = 0.5
    """How often a class is aimed at; otherwise the crop lies anywhere."""

    def window(
        self, mask: Pixels, crop: tuple[int, int], scale: float, void: int, rng: np.random.Generator
    ) -> Window:
        """Draw a class that is there, one of its pixels, and a window that holds the pixel somewhere inside.

        A picture without any of the classes gives a window anywhere.
        """
        anywhere = draw_window(mask.shape, crop, scale, rng)
        aims, which, place, down, across = rng.random(5)
        present = [
            label
            for label in np.unique(mask).tolist()
            if label != void and (not self.classes or label in self.classes)
        ]
        if aims >= self.chance or not present:
            return anywhere
        pixels = np.flatnonzero(mask == present[int(which * len(present))])
        row, column = divmod(int(pixels[int(place * len(pixels))]), mask.shape[1])
        top = _start(row, anywhere.height, mask.shape[0], down)
        left = _start(column, anywhere.width, mask.shape[1], across)
        return Window(top, left, anywhere.height, anywhere.width)


def _start(pixel: int, length: float, side: int, share: float) -> float:
    """Return where a window begins that holds the middle of a pixel, and lies inside where it can."""
    if length >= side:
        return (side - length) * share
    # A quarter in from either end, so that something around the pixel is seen too.
    start = pixel + 0.5 - length * (0.25 + 0.5 * share)
    return float(min(max(start, 0.0), side - length))


Crop = RandomCrop | CenterCrop | ClassCrop

CROPS: dict[str, type[RandomCrop] | type[CenterCrop] | type[ClassCrop]] = {
    "random_crop": RandomCrop,
    "center_crop": CenterCrop,
    "class_crop": ClassCrop,
}
"""Ways to choose the crop, by name."""
