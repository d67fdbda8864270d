"""Doing what was drawn: geometry in one warp, then everything else in its order."""

from collections.abc import Iterable, Sequence

import numpy as np

from terrazzo.transforms.geometric import Window
from terrazzo.transforms.operation import HORIZON, Bend, Drawn, Erase, Matrix, Mix, Move, Paint, Pixels, View
from terrazzo.transforms.warp import map_points, plan_course, warp


def apply_look(
    steps: Iterable[Drawn], image: Pixels, mask: Pixels, view: View, void: int
) -> tuple[Pixels, Pixels]:
    """Apply paint and erasure in the order given; moves, bends and mixes are not done here."""
    for step in steps:
        if isinstance(step, Paint):
            image = step.paint(image, view)
        elif isinstance(step, Erase):
            image, mask = step.erase(image, mask, void)
    return image, mask


def apply_alone(
    drawn: Drawn, image: Pixels, mask: Pixels, others: Sequence[tuple[Pixels, Pixels]], void: int
) -> tuple[Pixels, Pixels]:
    """Apply one drawn operation to a whole picture at its own size.

    Args:
        drawn: what to do.
        image: (H, W, C).
        mask: (H, W) train ids.
        others: as many samples of the same size as it mixes in.
        void: the train id of void.

    Returns:
        Image (H, W, C) and mask (H, W), new arrays or those that came in.
    """
    if isinstance(drawn, Mix):
        return drawn.mix(image, mask, others, void)
    if isinstance(drawn, Move | Bend):
        size = (image.shape[0], image.shape[1])
        course = plan_course(Window(0, 0, *size), [drawn], size)
        return warp(image, mask, course, size, void)
    return apply_look([drawn], image, mask, whole_view(image), void)


def whole_view(image: Pixels) -> View:
    """Return the view of a picture that shows all of itself."""
    return view_through(np.eye(3), image)


def view_through(matrix: Matrix, source: Pixels) -> View:
    """Return where horizon and lower edge of a source (H, W, C) lie in a crop, and what its values mean."""
    height, width = source.shape[:2]
    middle = (width - 1) / 2
    ends = map_points(matrix, np.array([(middle, HORIZON * height - 0.5), (middle, height - 0.5)]))
    low, high = value_range(source)
    return View(float(ends[0, 1]) + 0.5, float(ends[1, 1]) + 0.5, low, high)


def value_range(source: Pixels) -> tuple[float, float]:
    """Return black and white: 0 and 255 for uint8, else this picture's own: cameras rarely fill 16 bits.

    Of a picture in one tone, the range is from 0 to that tone, or to 1.
    """
    if source.dtype == np.uint8:
        return 0.0, 255.0
    low, high = float(source.min()), float(source.max())
    return (low, high) if high > low else (min(0.0, low), max(1.0, high))
