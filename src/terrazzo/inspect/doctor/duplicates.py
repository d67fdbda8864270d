"""The same picture twice: exactly or nearly, in one split or on both sides of a split, or with two labels."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from terrazzo.inspect.doctor.images import is_blank
from terrazzo.inspect.hashes import SIDE, likeness, near_pairs, perceptual_hashes
from terrazzo.inspect.kinds import Kind, finding, number, some
from terrazzo.inspect.report import Finding
from terrazzo.inspect.survey import Survey

KINDS = {
    "duplicate-across-splits": Kind(
        "error",
        "The same image in two splits",
        "Its score measures memory, not skill.",
        "Keep it on one side; the repair keeps it where it is scored.",
        "leaves it out of the earlier split (train before val before test)",
    ),
    "duplicate-within-split": Kind(
        "warning",
        "The same image twice in a split",
        "It counts double in training, and intervals come out too narrow.",
        "Keep one of them.",
        "keeps the first",
    ),
    "contradicting-labels": Kind(
        "error",
        "The same image with different masks",
        "At least one of the labels is wrong.",
        "Look at the masks and keep the right one.",
    ),
    "near-duplicate-across-splits": Kind(
        "warning",
        "Nearly the same image in two splits",
        "Frames a moment apart, or a rescaled copy, let a model be scored on what it has seen.",
        "Keep one scene on one side: give group_pattern, or move the images.",
    ),
    "near-duplicate-within-split": Kind(
        "note",
        "Nearly the same image twice in a split",
        "They teach little that is new, and intervals that treat them as independent are too narrow.",
        "Give group_pattern, so that intervals are drawn over scenes.",
    ),
    "repeated-mask": Kind(
        "warning",
        "One mask for different images",
        "A mask that was pasted or saved under the wrong name labels nothing that is in the image.",
        "Look at the pairs and find the mask of each image.",
    ),
}

NEAR_BITS, NEAR_LIKENESS = 4, 0.95
"""Bits in which the hashes of near duplicates differ at most, and how alike their thumbnails are at least.
Among scenes no two pictures are closer than 8 bits."""

SIMILAR_BITS = 10
"""Bits in which frames differ at most that are close in time."""

DIFFERENT_BITS = 16
"""Bits from which two pictures are certainly not the same."""

_MOST_PAIRS = 2_000_000


def exact(survey: Survey) -> list[Finding]:
    """Find images whose files are equal byte by byte."""
    within: list[str] = []
    across: list[str] = []
    contrary: list[str] = []
    texts: dict[str, list[str]] = {}
    for places in _equal([f.image.digest if f.image else "" for f in survey.facts]):
        items = [survey.source.items[i] for i in places]
        masks = [survey.facts[i].mask for i in places]
        known = [mask.values for mask in masks if mask is not None]
        kind, files = "duplicate-within-split", within
        if len({item.split for item in items}) > 1:
            kind, files = "duplicate-across-splits", across
        elif any(one != other for one, other in combinations(known, 2)):
            kind, files = "contradicting-labels", contrary
        files += [item.image for item in items]
        texts.setdefault(kind, []).append(" = ".join(item.image for item in items))
    lists = {
        "duplicate-across-splits": across,
        "duplicate-within-split": within,
        "contradicting-labels": contrary,
    }
    return [
        finding(KINDS, kind, files, f"{KINDS[kind].what}: {some(texts[kind])}.")
        for kind, files in lists.items()
        if files
    ]


def near(survey: Survey) -> list[Finding]:
    """Find images that look the same but are not equal, by hash and thumbnail."""
    places, thumbs, hashes = looks(survey)
    pairs = similar_pairs(survey)
    pairs = pairs[np.bitwise_count(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]]) <= NEAR_BITS][:_MOST_PAIRS]
    if not len(pairs):
        return []
    pairs = pairs[likeness(thumbs[pairs[:, 0]], thumbs[pairs[:, 1]]) >= NEAR_LIKENESS]
    by_kind: dict[str, list[tuple[int, int]]] = {}
    for i, j in places[pairs].tolist():
        if _digest(survey, i) and _digest(survey, i) == _digest(survey, j):
            continue
        items = survey.source.items
        kind = "within-split" if items[i].split == items[j].split else "across-splits"
        by_kind.setdefault(f"near-duplicate-{kind}", []).append((i, j))
    return [_near_finding(survey, kind, cases) for kind, cases in by_kind.items()]


def repeated_masks(survey: Survey) -> list[Finding]:
    """Find masks with borders that are equal byte by byte although their images differ."""
    files: list[str] = []
    texts: list[str] = []
    hashes = image_hashes(survey)
    for places in _equal([f.mask.digest if f.mask and f.mask.texture.changes else "" for f in survey.facts]):
        known = [hashes[i] for i in places if i in hashes]
        if len(known) < 2 or max(bits(one, other) for one, other in combinations(known, 2)) < DIFFERENT_BITS:
            continue
        names = [survey.source.items[i].mask for i in places]
        files += names
        texts.append(" = ".join(names))
    found = f"{KINDS['repeated-mask'].what}: {some(texts)}."
    return [finding(KINDS, "repeated-mask", files, found)] if files else []


@lru_cache(maxsize=1)
def looks(survey: Survey) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint64]]:
    """Return the places of the images that show something, their thumbnails (N, 16, 16) and hashes."""
    shown = [
        (i, facts.image.thumb)
        for i, facts in enumerate(survey.facts)
        if facts.image is not None and not is_blank(facts.image.std, facts.image.dtype)
    ]
    digits = bytes.fromhex("".join(text for _, text in shown))
    thumbs = np.frombuffer(digits, dtype=np.uint8).reshape(len(shown), SIDE, SIDE)
    return np.array([i for i, _ in shown], dtype=np.int64), thumbs, perceptual_hashes(thumbs)


@lru_cache(maxsize=1)
def similar_pairs(survey: Survey) -> NDArray[np.int64]:
    """Return (P, 2): which of `looks` are alike enough to be frames of one scene."""
    return near_pairs(looks(survey)[2], SIMILAR_BITS)


def image_hashes(survey: Survey) -> dict[int, int]:
    """Return the perceptual hash of each image that shows something, by its place."""
    places, _, hashes = looks(survey)
    return dict(zip(places.tolist(), hashes.tolist(), strict=True))


def bits(one: int, other: int) -> int:
    """Return in how many bits two hashes differ."""
    return (one ^ other).bit_count()


def _near_finding(survey: Survey, kind: str, cases: Sequence[tuple[int, int]]) -> Finding:
    items = survey.source.items
    files = dict.fromkeys(items[i].image for pair in cases for i in pair)
    text = some(f"{items[i].image} ~ {items[j].image}" for i, j in cases)
    return finding(KINDS, kind, files, f"{KINDS[kind].what}: {number(len(cases), 'pair')}, {text}.")


def _digest(survey: Survey, place: int) -> str:
    image = survey.facts[place].image
    return image.digest if image else ""


def _equal(digests: Iterable[str]) -> list[list[int]]:
    """Return the places of each digest that comes more than once."""
    by_digest: dict[str, list[int]] = {}
    for place, digest in enumerate(digests):
        if digest:
            by_digest.setdefault(digest, []).append(place)
    return [places for places in by_digest.values() if len(places) > 1]


RULES = (exact, near, repeated_masks)
