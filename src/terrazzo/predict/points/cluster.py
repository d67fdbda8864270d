"""Points of one class into objects: DBSCAN or HDBSCAN of scikit-learn on range-scaled coordinates.

A scanner's beams spread, so the gap between neighbouring points grows with the range: 0.4 degrees between the
64 layers of KITTI's scanner are 6 cm at 8 m and 40 cm at 58 m. One radius in metres would either tear far
objects apart or join near ones. So distances are scaled: up to `REFERENCE` metres they are as they are,
beyond that in proportion to the range, times REFERENCE / range. The coordinates that do this, for a point at
range r in the direction d, are

    (p, 0)                                             r <= REFERENCE
    REFERENCE * (d, ln(r / REFERENCE))                 beyond

in which the plain distance of two neighbours is their distance in metres * REFERENCE / sqrt(r1 * r2), to the
second order of their distance: |p1 - p2|^2 = r1 r2 |d1 - d2|^2 + (r1 - r2)^2, and ln(r1 / r2) is
(r1 - r2) / sqrt(r1 * r2) to that order. They have neither a seam nor a pole, unlike angles.

DBSCAN: Ester, Kriegel, Sander, Xu, KDD 1996. HDBSCAN: Campello, Moulavi, Sander, PAKDD 2013; it finds sparser
clusters by itself, and is kept from dividing what is nearer than the reach, as Malzer and Baum (MFI 2020) do.
That is done here: with scikit-learn 1.9's own `cluster_selection_epsilon` and NumPy 2.4 a TypeError comes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import MissingExtraError, RequestError, unknown_name

METHODS = ("dbscan", "hdbscan")

NONE = -1
"""No class, or no cluster."""

REFERENCE = 10.0
"""Metres."""


@dataclass(frozen=True)
class Settings:
    """How points become clusters."""

    method: str = "dbscan"
    """dbscan or hdbscan."""

    reach: float = 0.5
    """Range-scaled metres within which points are neighbours; 0.3 to 0.7 serve about alike."""

    min_points: int = 5
    """The neighbours (itself included) that make a point a core, and so the fewest points of a cluster."""

    reference: float = REFERENCE
    """Metres up to which the reach is as given."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.method not in METHODS:
            raise unknown_name("clustering", self.method, METHODS)
        if not 0 < self.reach < float("inf"):
            raise RequestError(f"The reach is {self.reach} m; expected more than 0, for instance 0.5.")
        if self.min_points < 2:
            raise RequestError(f"At least {self.min_points} points make a cluster; expected 2 or more.")


def range_scaled(xyz_N3: NDArray[np.floating], reference: float = REFERENCE) -> NDArray[np.float64]:
    """Return the (N, 4) coordinates of points (N, 3) that clusters are sought in; see the top of the file."""
    xyz = xyz_N3.astype(np.float64)
    far = np.maximum(np.linalg.norm(xyz, axis=1), reference)
    return reference * np.column_stack([xyz / far[:, None], np.log(far / reference)])


def cluster(
    xyz_N3: NDArray[np.floating],
    labels_N: NDArray[np.integer[Any]],
    classes: Sequence[int],
    settings: Settings | None = None,
) -> NDArray[np.int32]:
    """Divide the points of each class into clusters.

    Args:
        xyz_N3: (N, 3) points in the scanner's coordinates, metres.
        labels_N: (N,) class of each, -1 for none.
        classes: which are clustered.
        settings: how.

    Returns:
        (N,) cluster of each point, -1 for none: 0 is the nearest (by its median range), of whatever class.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    settings = settings or Settings()
    found = np.full(len(xyz_N3), NONE, dtype=np.int32)
    count = 0
    for k in classes:
        members = np.flatnonzero(labels_N == k)
        if len(members) < settings.min_points:
            continue
        parts = _divide(range_scaled(xyz_N3[members], settings.reference), settings)
        found[members] = np.where(parts == NONE, NONE, parts + count)
        count += int(parts.max(initial=NONE)) + 1
    return _nearest_first(found, count, np.linalg.norm(xyz_N3, axis=1))


def _divide(scaled_N4: NDArray[np.float64], settings: Settings) -> NDArray[np.int32]:
    """Return the cluster of every point, 0.. in no particular order, -1 for noise."""
    try:
        from sklearn.cluster import DBSCAN, HDBSCAN
    except ImportError:
        raise MissingExtraError(
            "Clusters need scikit-learn, which is not installed: pip install 'terrazzo[points]'."
        ) from None
    dense: NDArray[np.int32] = (
        DBSCAN(eps=settings.reach, min_samples=settings.min_points, algorithm="kd_tree")
        .fit_predict(scaled_N4)
        .astype(np.int32)
    )
    if settings.method == "dbscan":
        return dense
    tree = HDBSCAN(
        min_cluster_size=settings.min_points, min_samples=settings.min_points, algorithm="kd_tree", copy=True
    )
    return _no_finer(tree.fit_predict(scaled_N4).astype(np.int32), dense)


def _no_finer(found_N: NDArray[np.int32], dense_N: NDArray[np.int32]) -> NDArray[np.int32]:
    """Put whole DBSCAN clusters in the place of HDBSCAN's clusters inside them, and of nothing there."""
    parts = found_N.copy()
    free = int(found_N.max(initial=NONE)) + 1
    for d in range(int(dense_N.max(initial=NONE)) + 1):
        members = dense_N == d
        inside = np.unique(found_N[members])
        if not np.isin(found_N[~members], inside[inside != NONE]).any():
            parts[members] = free + d
    _, numbers = np.unique(parts[parts != NONE], return_inverse=True)
    parts[parts != NONE] = numbers
    return parts


def _nearest_first(
    found_N: NDArray[np.int32], count: int, range_N: NDArray[np.floating]
) -> NDArray[np.int32]:
    """Number clusters by their median range."""
    middles = [float(np.median(range_N[found_N == c])) for c in range(count)]
    rank = np.full(count + 1, NONE, dtype=np.int32)  # the last stands for none: index -1
    rank[np.argsort(middles, kind="stable")] = np.arange(count, dtype=np.int32)
    ranked: NDArray[np.int32] = rank[found_N]
    return ranked
