"""What a strength means: a share of the mean image change that the operation makes at strength 1.

The change of a picture is the mean of |after - before| over its pixels and channels, as a share of the pixel
range; where geometry is concerned, over the pixels that show something of the scene. It is averaged over
the draws of the operation and over the built-in scenes. At strength s it is s times that of strength 1:
half the strength changes pictures half as much, for every operation. `strengths.json` holds, for each, the
change at strength 1 and the raw amounts that make the curve a straight line; it was measured by
`python -m benchmarks.augmentation_strength --write`.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

GRID: NDArray[np.float64] = np.linspace(0, 1, 11)
"""Strengths at which the amounts are written down; between them they are interpolated."""


def amount_at(kind: str, strength: float) -> float:
    """Return the raw amount (0..1) that an operation is drawn with at a strength (0..1)."""
    return float(np.interp(strength, GRID, _measured()[kind]["amounts"]))


def full_change(kind: str) -> float:
    """Return the mean image change of an operation at strength 1, a share of the pixel range."""
    return float(_measured()[kind]["change"])


@cache
def _measured() -> dict[str, dict[str, Any]]:
    text = (files("terrazzo.transforms") / "strengths.json").read_text(encoding="utf-8")
    measured: dict[str, dict[str, Any]] = json.loads(text)["operations"]
    return measured
