"""Class colours that colour-blind readers can tell apart: a dataset's own, moved as little as needed.

How a colour looks without red or green cones: Machado, Oliveira, Fernandes, A physiologically-based model for
simulation of color vision deficiency, 2009, table 1. Distances are those of CIE 1976 L*a*b* (D65).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.labels import RGB, LabelMap
from terrazzo.core.sample import IGNORE

Floats = NDArray[np.float64]

DISTANCES: Final = (24.0, 20.0, 16.0, 12.0, 9.0, 6.0, 4.0, 2.0, 0.5)
"""What is tried, the largest first: at 10 two colours side by side are plainly different, at 2 barely."""

STEPS: Final = 11
"""Candidates are a grid of so many values of red, green and blue."""

VISIONS: Final = np.array(
    [
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    ]
)
"""On linear RGB: common vision, protanopia, deuteranopia."""

_TO_XYZ: Final = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE: Final = np.array([0.95047, 1.0, 1.08883])


def distinguishable(colors: Sequence[RGB]) -> list[RGB]:
    """Return colours near the given ones, any two of them apart in each of three visions.

    In the order given each colour stays where it is if it can, else moves to the nearest one that is far
    enough from all before it. How far that is depends on how many there are: 24 for about ten, less for many.

    Args:
        colors: RGB, 0..255 each.
    """
    for least in DISTANCES:
        chosen = _spread(colors, least)
        if chosen is not None:
            return chosen
    return list(colors)


def page_labels(labels: LabelMap) -> LabelMap:
    """Return the same classes in colours any two of which can be told apart, in train-id order as before."""
    colors = distinguishable([entry.color for entry in labels.classes])
    if len(set(colors)) < len(colors):
        return labels
    void_ids = (IGNORE,) if labels.num_classes <= IGNORE else ()  # 255 is a class of large maps
    return LabelMap.of(dict(zip(labels.names, colors, strict=True)), void_ids=void_ids)


def distance(first: Sequence[RGB], second: Sequence[RGB]) -> Floats:
    """Return the smallest distance over the three visions, (N, M) in L*a*b* units."""
    gaps = as_seen(first)[:, :, None] - as_seen(second)[:, None, :]
    smallest: Floats = np.sqrt((gaps**2).sum(axis=-1)).min(axis=0)
    return smallest


def as_seen(colors: Sequence[RGB]) -> Floats:
    """Return L*a*b* (3, N, 3) of colours: in common vision, protanopia and deuteranopia."""
    shares = np.array(colors, dtype=np.float64).reshape(-1, 3) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    seen = np.einsum("vij,nj->vni", VISIONS, linear).clip(0, 1)
    ratio = seen @ _TO_XYZ.T / _WHITE
    root = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _spread(colors: Sequence[RGB], least: float) -> list[RGB] | None:
    """Choose greedily; None where some colour finds no place."""
    grid = np.linspace(0, 255, STEPS).round().astype(int).tolist()
    pool: list[RGB] = [(r, g, b) for r in grid for g in grid for b in grid]
    pool_seen, own_seen = as_seen(pool), as_seen(colors)
    room = np.full(len(pool), np.inf)
    own_room = np.full(len(colors), np.inf)
    chosen: list[RGB] = []
    for k, own in enumerate(colors):
        if own_room[k] >= least:
            chosen.append(own)
        else:
            moved = np.where(room >= least, np.square(pool_seen[0] - own_seen[0, k]).sum(axis=-1), np.inf)
            best = int(moved.argmin())
            if not np.isfinite(moved[best]):
                return None
            chosen.append(pool[best])
        room = np.minimum(room, distance([chosen[-1]], pool)[0])
        own_room = np.minimum(own_room, distance([chosen[-1]], colors)[0])
    return chosen
