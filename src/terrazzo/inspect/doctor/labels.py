"""Classes over all images: never there, missing from a split, or exchanged between two splits."""

import numpy as np
from numpy.typing import NDArray

from terrazzo.inspect.kinds import Kind, finding
from terrazzo.inspect.report import Finding
from terrazzo.inspect.sums import Sums, total
from terrazzo.inspect.survey import Survey

KINDS = {
    "ids-swapped": Kind(
        "warning",
        "Classes that look exchanged between two splits",
        "Two label maps with other orders were mixed: what is called one class looks like another elsewhere.",
        "Look at both splits; if the ids were exchanged, exchange them back in the export.",
    ),
    "class-never-present": Kind(
        "warning",
        "Classes that no mask holds",
        "A model has an output for them that is never trained, and their score is undefined.",
        "Remove them from classes.json, or check that their masks are here.",
    ),
    "class-missing-from-split": Kind(
        "warning",
        "Classes that a split lacks",
        "A class missing from train is never learnt; one missing from val or test is never scored.",
        "Move images that show them, or say with the score which classes it leaves out.",
    ),
}

MIN_IMAGES = 3
"""Images of a split that must show a class before its looks are compared."""

SMALLEST_STD = 0.04
"""Spread of a class's look between images (colour, row and column, each 0..1) that is taken at least."""

CLEARLY = 1.0
"""Standard deviations by which another class must fit better than the class itself. Between train and val of
CamVid and of scenes the largest such difference is 0.4."""


def swapped(survey: Survey) -> list[Finding]:
    """Compare the looks of the classes of each split with those of the largest one."""
    if len(survey.sums) < 2:
        return []
    counts = {split: int(sums.looked.sum()) for split, sums in survey.sums.items()}
    largest = max(counts, key=counts.__getitem__)
    findings = []
    for split, sums in survey.sums.items():
        moved = {} if split == largest else exchanged(survey.sums[largest], sums)
        if moved:
            names = survey.labels.names
            text = ", ".join(f"{names[k]} looks like {names[j]}" for k, j in moved.items())
            files = [item.mask for item in survey.source.items if item.split == split]
            found = f"Compared with {largest}, in {split} {text}."
            findings.append(finding(KINDS, "ids-swapped", files, found))
    return findings


def exchanged(reference: Sums, other: Sums) -> dict[int, int]:
    """Return class -> class of the reference that it looks like, for those that are not themselves.

    The assignment of all classes with the least total distance is taken (Kuhn 1955); a class counts as moved
    where it then fits better by `CLEARLY`.
    """
    from scipy.optimize import linear_sum_assignment

    known = np.flatnonzero((reference.looked >= MIN_IMAGES) & (other.looked >= MIN_IMAGES))
    if len(known) < 2:
        return {}
    distance = look_distances(reference, other)[np.ix_(known, known)]
    rows, columns = linear_sum_assignment(distance)
    own = distance.diagonal()
    return {
        int(known[j]): int(known[i])
        for i, j in zip(rows, columns, strict=True)
        if i != j and own[j] - distance[i, j] > CLEARLY
    }


def look_distances(reference: Sums, other: Sums) -> NDArray[np.float64]:
    """Return (K, K): how far class j of the other is from class i of the reference, in its spreads."""
    count = np.maximum(1, reference.looked)[:, None]
    mean_KF = reference.look / count
    spread_KF = np.sqrt(np.maximum(0, reference.look_squares / count - mean_KF**2))
    theirs_KF = other.look / np.maximum(1, other.looked)[:, None]
    z_KKF = (theirs_KF[None] - mean_KF[:, None]) / np.maximum(SMALLEST_STD, spread_KF)[:, None]
    distance: NDArray[np.float64] = np.sqrt((z_KKF**2).mean(axis=-1))
    return distance


def never_present(survey: Survey) -> list[Finding]:
    """Find classes without a pixel anywhere."""
    pixels = _total(survey).pixels
    absent = [name for name, count in zip(survey.labels.names, pixels, strict=True) if not count]
    if not absent or not pixels.any():
        return []
    return [finding(KINDS, "class-never-present", (), f"No mask holds {', '.join(absent)}.")]


def missing(survey: Survey) -> list[Finding]:
    """Find classes that are somewhere, but not in a split."""
    anywhere = _total(survey).pixels > 0
    texts = []
    for split, sums in survey.sums.items():
        lacks = np.flatnonzero(anywhere & (sums.pixels == 0))
        if len(lacks):
            texts.append(f"{split} lacks {', '.join(survey.labels.names[k] for k in lacks)}")
    return [finding(KINDS, "class-missing-from-split", (), f"{'; '.join(texts)}.")] if texts else []


def _total(survey: Survey) -> Sums:
    return total(list(survey.sums.values()), survey.labels.num_classes)


RULES = (swapped, never_present, missing)
