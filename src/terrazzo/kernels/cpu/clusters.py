"""Clusters of a label map dissolved into what surrounds them, the smallest first; see `kernels.clusters`.

Only the borders of what may be dissolved are looked at, so a map with few specks costs little more than
finding its runs.

Shapes: L lines of W pixels (L = D x H: the slices of a volume one after the other), R runs, C clusters,
K classes.
"""

from heapq import heapify, heappop, heappush

import numpy as np
from numpy.typing import NDArray

from terrazzo.kernels.cpu.jit import compiled, inlined
from terrazzo.kernels.cpu.runs import Int32s, Int64s, end_of, find_runs, join_runs, neighbour, paint, root_of

__all__ = ["dissolve", "find_borders", "find_runs", "join_runs", "paint"]

_LOW = (1 << 32) - 1


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
    end = end_of(run, line, start_R, first_L, width)
    for beside in (run - 1, run + 1):
        if first_L[line] <= beside < first_L[line + 1]:
            _note(mine, cluster_R[beside], 1, filling, place_C, touched, faces)
    for which in range(8):
        other, face = neighbour(line, which, height, len(first_L) - 1)
        if other < 0:
            continue
        b = _run_at(max(start - 1, 0), start_R, first_L[other], first_L[other + 1])
        while b < first_L[other + 1] and start_R[b] <= end:
            if cluster_R[b] != mine:
                end_b = end_of(b, other, start_R, first_L, width)
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
        became_C[c] = class_C[root_of(parent_C, c)]
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
            other = root_of(parent_C, touched[place])
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
            other = root_of(parent_C, touched[place])
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
