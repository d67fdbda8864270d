"""Bends: elastic deformation and grid distortion, each a smooth field of displacements.

Both are drawn at a few nodes and made dense by interpolation, which costs a fraction of filtering noise.
Simard et al., Best Practices for Convolutional Neural Networks, 2003 (elastic).
"""

from dataclasses import dataclass

import cv2
import numpy as np

from terrazzo.transforms.operation import Field, draw_key, keyed


@dataclass(frozen=True)
class Elastic:
    """Every place moves a little, neighbours alike."""

    reach: float
    """Spread of the displacement, as a share of the shorter side."""

    cells: int
    """Nodes along the shorter side: more of them bend more tightly."""

    key: int

    def displacement(self, size: tuple[int, int]) -> Field:
        """Return normal numbers at the nodes, interpolated by cubics."""
        nodes = keyed(self.key).standard_normal((*_nodes(size, self.cells), 2), dtype=np.float32)
        return _dense(nodes * np.float32(self.reach * min(size)), size, cv2.INTER_CUBIC)


def draw_elastic(amount: float, rng: np.random.Generator, *, cells: int = 6) -> Elastic:
    """Draw a field.

    Args:
        amount: 0..1.
        rng: draws the field.
        cells: nodes along the shorter side; at amount 1 they move by a spread of a fifth of their distance,
            so that the picture hardly ever folds.
    """
    return Elastic(0.2 * amount / cells, cells, draw_key(rng))


@dataclass(frozen=True)
class GridDistortion:
    """The nodes of a coarse grid move; what lies between them is stretched evenly."""

    reach: float
    """Largest displacement of a node along each axis, as a share of the distance of nodes."""

    cells: int
    key: int

    def displacement(self, size: tuple[int, int]) -> Field:
        """Return even numbers at the nodes, interpolated linearly."""
        cell = min(size) / self.cells
        nodes = keyed(self.key).uniform(-1, 1, (*_nodes(size, self.cells), 2)).astype(np.float32)
        return _dense(nodes * np.float32(self.reach * cell), size, cv2.INTER_LINEAR)


def draw_grid_distortion(amount: float, rng: np.random.Generator, *, cells: int = 5) -> GridDistortion:
    """Draw a grid.

    Args:
        amount: 0..1.
        rng: draws the nodes.
        cells: along the shorter side; at amount 1 a node moves by 0.45 of a cell at most: nothing folds.
    """
    return GridDistortion(0.45 * amount, cells, draw_key(rng))


def _nodes(size: tuple[int, int], cells: int) -> tuple[int, int]:
    cell = max(1.0, min(size) / cells)
    return max(2, round(size[0] / cell) + 1), max(2, round(size[1] / cell) + 1)


def _dense(nodes: Field, size: tuple[int, int], method: int) -> Field:
    """Interpolate nodes (n, m, 2) to (H, W, 2)."""
    return np.asarray(cv2.resize(nodes, size[::-1], interpolation=method), dtype=np.float32)
