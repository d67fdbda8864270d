"""Turning a mask back onto its image."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def best_turn(image_HWC: NDArray[Any], mask: NDArray[Any]) -> NDArray[Any]:
    """Return the mask turned or transposed so that its borders best follow the edges of the image.

    Args:
        image_HWC: upright.
        mask: (W, H) or (W, H, 3): height and width are exchanged.
    """
    swapped = mask.swapaxes(0, 1)
    candidates = [np.rot90(mask), np.rot90(mask, -1), swapped, swapped[::-1, ::-1]]
    edges = _edges(image_HWC)
    scores = [_agreement(edges, _borders(candidate)) for candidate in candidates]
    return np.ascontiguousarray(candidates[int(np.argmax(scores))])


def _agreement(edges_HW: NDArray[np.float64], borders_HW: NDArray[np.bool_]) -> float:
    return float(edges_HW[borders_HW].mean()) if borders_HW.any() else 0.0


def _edges(image_HWC: NDArray[Any]) -> NDArray[np.float64]:
    """Return how much the brightness changes to the right and below, (H, W)."""
    grey = image_HWC.astype(np.float64).mean(axis=2)
    edges = np.zeros(grey.shape)
    edges[:, :-1] += np.abs(np.diff(grey, axis=1))
    edges[:-1] += np.abs(np.diff(grey, axis=0))
    return edges


def _borders(mask: NDArray[Any]) -> NDArray[np.bool_]:
    flat = mask if mask.ndim == 3 else mask[..., None]
    borders = np.zeros(flat.shape[:2], dtype=np.bool_)
    borders[:, :-1] |= (flat[:, 1:] != flat[:, :-1]).any(axis=2)
    borders[:-1] |= (flat[1:] != flat[:-1]).any(axis=2)
    return borders
