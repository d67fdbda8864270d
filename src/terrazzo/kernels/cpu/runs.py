"""Clusters of a label map found run by run: a run is a stretch of one class along a row.

Shapes: L lines of W pixels (L = D x H: the slices of a volume one after the other), R runs, C clusters.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.kernels.cpu.jit import compiled, inlined

Int32s = NDArray[np.int32]
Int64s = NDArray[np.int64]


@compiled
def find_runs(ids_LW: NDArray[Any]) -> tuple[Int32s, Int32s, Int64s]:
    """Return each run's first column (R,) and class (R,), and each line's first run (L + 1,)."""
    lines, width = ids_LW.shape
    count = lines
    for line in range(lines):
        for x in range(1, width):
            count += ids_LW[line, x] != ids_LW[line, x - 1]
    start_R, class_R = np.empty(count, np.int32), np.empty(count, np.int32)
    first_L = np.empty(lines + 1, np.int64)
    run = 0
    for line in range(lines):
        first_L[line] = run
        for x in range(width):
            if x == 0 or ids_LW[line, x] != ids_LW[line, x - 1]:
                start_R[run], class_R[run] = x, ids_LW[line, x]
                run += 1
    first_L[lines] = run
    return start_R, class_R, first_L


@compiled
def join_runs(
    start_R: Int32s, class_R: Int32s, first_L: Int64s, height: int, width: int
) -> tuple[Int32s, Int64s, Int32s]:
    """Join runs of one class that touch, corners included.

    Returns:
        The cluster of each run (R,), counted in reading order; each cluster's area (C,) and class (C,).
    """
    parent_R = np.arange(len(start_R)).astype(np.int32)
    for line in range(len(first_L) - 1):
        for back in range(4):  # of the nine lines about this one, those before it
            other, _ = neighbour(line, back, height, len(first_L) - 1)
            if other >= 0:
                _join_lines(line, other, start_R, class_R, first_L, width, parent_R)
    return _number(parent_R, start_R, class_R, first_L, width)


@inlined
def neighbour(line: int, which: int, height: int, lines: int) -> tuple[int, bool]:
    """Return a line beside this one, or -1 where there is none, and whether the two share faces of pixels.

    `which` 0..3 are those before it, 4..7 those after.
    """
    place = which % 4
    dz, dy = (0, -1) if place == 0 else (-1, place - 2)
    if which >= 4:
        dz, dy = -dz, -dy
    z, y = line // height + dz, line % height + dy
    if z < 0 or z >= lines // height or y < 0 or y >= height:
        return -1, False
    return z * height + y, dz == 0 or dy == 0


@inlined
def end_of(run: int, line: int, start_R: Int32s, first_L: Int64s, width: int) -> int:
    """Return the column behind a run's last."""
    return start_R[run + 1] if run + 1 < first_L[line + 1] else width


@inlined
def _join_lines(
    line: int, other: int, start_R: Int32s, class_R: Int32s, first_L: Int64s, width: int, parent_R: Int32s
) -> None:
    """Join the runs of two neighbouring lines: both are walked along once."""
    a, b = first_L[line], first_L[other]
    while a < first_L[line + 1] and b < first_L[other + 1]:
        end_a = end_of(a, line, start_R, first_L, width)
        end_b = end_of(b, other, start_R, first_L, width)
        if class_R[a] == class_R[b]:
            _join(parent_R, a, b)
        if end_a == end_b:  # each meets what follows the other, at a corner
            if a + 1 < first_L[line + 1] and class_R[a + 1] == class_R[b]:
                _join(parent_R, a + 1, b)
            if b + 1 < first_L[other + 1] and class_R[a] == class_R[b + 1]:
                _join(parent_R, a, b + 1)
        if end_a <= end_b:
            a += 1
        if end_b <= end_a:
            b += 1


@inlined
def root_of(parent: Int32s, node: int) -> int:
    """Return what stands for a node, and shorten the way there."""
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@inlined
def _join(parent: Int32s, a: int, b: int) -> None:
    """Make two one; the first of them in reading order stands for both."""
    a, b = root_of(parent, a), root_of(parent, b)
    if a != b:
        parent[max(a, b)] = min(a, b)


@inlined
def _number(
    parent_R: Int32s, start_R: Int32s, class_R: Int32s, first_L: Int64s, width: int
) -> tuple[Int32s, Int64s, Int32s]:
    """Number the clusters from 0 and measure them."""
    cluster_R = np.empty(len(parent_R), np.int32)
    area_C, class_C = np.zeros(len(parent_R), np.int64), np.empty(len(parent_R), np.int32)
    count = 0
    for line in range(len(first_L) - 1):
        for run in range(first_L[line], first_L[line + 1]):
            root = root_of(parent_R, run)
            if root == run:  # the first of its cluster: the others come later
                cluster_R[run], class_C[count] = count, class_R[run]
                count += 1
            else:
                cluster_R[run] = cluster_R[root]
            area_C[cluster_R[run]] += end_of(run, line, start_R, first_L, width) - start_R[run]
    return cluster_R, area_C[:count].copy(), class_C[:count].copy()


@compiled
def paint(
    ids_LW: NDArray[Any],
    start_R: Int32s,
    cluster_R: Int32s,
    first_L: Int64s,
    class_C: Int32s,
    became_C: Int32s,
) -> None:
    """Write the runs of those clusters that became another class."""
    lines, width = ids_LW.shape
    for line in range(lines):
        for run in range(first_L[line], first_L[line + 1]):
            c = cluster_R[run]
            if became_C[c] != class_C[c]:
                ids_LW[line, start_R[run] : end_of(run, line, start_R, first_L, width)] = became_C[c]
