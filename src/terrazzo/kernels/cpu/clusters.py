"""Clusters of a label map: found run by run, then dissolved, the smallest first; see `kernels.clusters`.

A run is a stretch of one class along a row. Only the borders of what may be dissolved are looked at, so a map
with few specks costs little more than finding its runs.

Shapes: L lines of W pixels (L = D x H: the slices of a volume one after the other), R runs, C clusters,
K classes.
"""

from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.kernels.cpu.jit import compiled, inlined

Int32s = NDArray[np.int32]
Int64s = NDArray[np.int64]

_LOW = (1 << 32) - 1


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
            other, _ = _neighbour(line, back, height, len(first_L) - 1)
            if other >= 0:
                _join_lines(line, other, start_R, class_R, first_L, width, parent_R)
    return _number(parent_R, start_R, class_R, first_L, width)


@inlined
def _neighbour(line: int, which: int, height: int, lines: int) -> tuple[int, bool]:
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
def _end(run: int, line: int, start_R: Int32s, first_L: Int64s, width: int) -> int:
    return start_R[run + 1] if run + 1 < first_L[line + 1] else width


@inlined
def _join_lines(
    line: int, other: int, start_R: Int32s, class_R: Int32s, first_L: Int64s, width: int, parent_R: Int32s
) -> None:
    """Join the runs of two neighbouring lines: both are walked along once."""
    a, b = first_L[line], first_L[other]
    while a < first_L[line + 1] and b < first_L[other + 1]:
        end_a = _end(a, line, start_R, first_L, width)
        end_b = _end(b, other, start_R, first_L, width)
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
def _root(parent: Int32s, node: int) -> int:
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@inlined
def _join(parent: Int32s, a: int, b: int) -> None:
    """Make two one; the first of them in reading order stands for both."""
    a, b = _root(parent, a), _root(parent, b)
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
            root = _root(parent_R, run)
            if root == run:  # the first of its cluster: the others come later
                cluster_R[run], class_C[count] = count, class_R[run]
                count += 1
            else:
                cluster_R[run] = cluster_R[root]
            area_C[cluster_R[run]] += _end(run, line, start_R, first_L, width) - start_R[run]
    return cluster_R, area_C[:count].copy(), class_C[:count].copy()


@compiled
def find_borders(
    start_R: Int32s,
    cluster_R: Int32s,
    first_L: Int64s,
    loose_C: NDArray[np.bool_],
    height: int,
    width: int,
) -> tuple[Int64s, Int32s, Int32s]:
    """List what the loose clusters touch.

    Returns:
        Each cluster's first place (C + 1,) in the two that follow: the clusters that it touches, as often as
        runs do, and the faces shared each time, 0 where only corners meet.
    """
    place_C = np.zeros(len(loose_C) + 1, np.int64)
    touched, faces = np.empty(0, np.int32), np.empty(0, np.int32)
    for filling in (False, True):
        for line in range(len(first_L) - 1):
            for run in range(first_L[line], first_L[line + 1]):
                if loose_C[cluster_R[run]]:
                    _borders_of_run(
                        run,
                        line,
                        filling,
                        start_R,
                        cluster_R,
                        first_L,
                        height,
                        width,
                        place_C,
                        touched,
                        faces,
                    )
        if not filling:  # counted; from now on each cluster's place is where its next entry goes
            total = np.int64(0)
            for c in range(len(loose_C)):
                place_C[c], total = total, total + place_C[c]
            place_C[len(loose_C)] = total
            touched, faces = np.empty(total, np.int32), np.empty(total, np.int32)
    for c in range(len(loose_C) - 1, 0, -1):  # every place has moved on to where the next cluster begins
        place_C[c] = place_C[c - 1]
    place_C[0] = 0
    return place_C, touched, faces


@inlined
def _borders_of_run(
    run: int,
    line: int,
    filling: bool,
    start_R: Int32s,
    cluster_R: Int32s,
    first_L: Int64s,
    height: int,
    width: int,
    place_C: Int64s,
    touched: Int32s,
    faces: Int32s,
) -> None:
    """Count, or list, what one run touches: its neighbours in the line, and the lines about it."""
    mine, start = cluster_R[run], start_R[run]
    end = _end(run, line, start_R, first_L, width)
    for beside in (run - 1, run + 1):
        if first_L[line] <= beside < first_L[line + 1]:
            _note(mine, cluster_R[beside], 1, filling, place_C, touched, faces)
    for which in range(8):
        other, face = _neighbour(line, which, height, len(first_L) - 1)
        if other < 0:
            continue
        b = _run_at(max(start - 1, 0), start_R, first_L[other], first_L[other + 1])
        while b < first_L[other + 1] and start_R[b] <= end:
            if cluster_R[b] != mine:
                end_b = _end(b, other, start_R, first_L, width)
                shared = min(end, end_b) - max(start, start_R[b])
                _note(mine, cluster_R[b], max(shared, 0) if face else 0, filling, place_C, touched, faces)
            b += 1


@inlined
def _run_at(x: int, start_R: Int32s, low: int, high: int) -> int:
    """Return the run of a line that holds column x."""
    while high - low > 1:
        middle = (low + high) // 2
        if start_R[middle] <= x:
            low = middle
        else:
            high = middle
    return low


@inlined
def _note(
    mine: int, other: int, shared: int, filling: bool, place_C: Int64s, touched: Int32s, faces: Int32s
) -> None:
    if filling:
        touched[place_C[mine]], faces[place_C[mine]] = other, shared
    place_C[mine] += 1


@compiled
def dissolve(
    area_C: Int64s,
    class_C: Int32s,
    loose_C: NDArray[np.bool_],
    enough_K: Int64s,
    place_C: Int64s,
    touched: Int32s,
    faces: Int32s,
) -> Int32s:
    """Give loose clusters to the class about them, the smallest first; return what each became (C,).

    A cluster that has grown to `enough_K` pixels of its class, or joined a firm one, stays. Areas, classes
    and `loose_C` are used up.
    """
    clusters = len(area_C)
    parent_C = np.arange(clusters).astype(np.int32)
    # Loose clusters that became one: a chain from the first of them, to its last.
    next_C, last_C = np.full(clusters, -1, np.int32), np.arange(clusters).astype(np.int32)
    votes_K = np.zeros(len(enough_K), np.int64)
    queue = [(area_C[c] << 32) | c for c in range(clusters) if loose_C[c]]
    heapify(queue)
    while queue:
        key = heappop(queue)
        c = key & _LOW
        if parent_C[c] != c or not loose_C[c] or area_C[c] != key >> 32:
            continue  # it has been joined with others since
        taker = _most_of_the_border(c, parent_C, class_C, next_C, place_C, touched, faces, votes_K)
        if taker < 0:
            continue  # the whole map is one class
        joined = _give(c, taker, area_C, class_C, loose_C, parent_C, next_C, last_C, place_C, touched)
        loose_C[joined] = loose_C[joined] and area_C[joined] < enough_K[taker]
        if loose_C[joined]:
            heappush(queue, (area_C[joined] << 32) | joined)
    became_C = np.empty(clusters, np.int32)
    for c in range(clusters):
        became_C[c] = class_C[_root(parent_C, c)]
    return became_C


@inlined
def _most_of_the_border(
    c: int,
    parent_C: Int32s,
    class_C: Int32s,
    next_C: Int32s,
    place_C: Int64s,
    touched: Int32s,
    faces: Int32s,
    votes_K: Int64s,
) -> int:
    """Return the class that shares most faces with a cluster, the first of several; -1 where none does."""
    votes_K[:] = 0
    member = c
    while member >= 0:
        for place in range(place_C[member], place_C[member + 1]):
            other = _root(parent_C, touched[place])
            if other != c:
                votes_K[class_C[other]] += faces[place]
        member = next_C[member]
    best = np.argmax(votes_K)
    return best if votes_K[best] > 0 else -1  # type: ignore[return-value]


@inlined
def _give(
    c: int,
    taker: int,
    area_C: Int64s,
    class_C: Int32s,
    loose_C: NDArray[np.bool_],
    parent_C: Int32s,
    next_C: Int32s,
    last_C: Int32s,
    place_C: Int64s,
    touched: Int32s,
) -> int:
    """Give a cluster to a class: it becomes one with all of that class that it touches. Returns that one."""
    root = c
    member, last = c, last_C[c]
    while member >= 0:
        for place in range(place_C[member], place_C[member + 1]):
            other = _root(parent_C, touched[place])
            if other == root or class_C[other] != taker:
                continue
            first, second = min(root, other), max(root, other)
            parent_C[second] = first
            area_C[first] += area_C[second]
            loose_C[first] = loose_C[first] and loose_C[second]
            next_C[last_C[first]], last_C[first] = second, last_C[second]
            class_C[first] = taker
            root = first
        if member == last:  # what has joined just now touches this class already
            break
        member = next_C[member]
    return root


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
                ids_LW[line, start_R[run] : _end(run, line, start_R, first_L, width)] = became_C[c]
