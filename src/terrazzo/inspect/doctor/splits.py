"""How the data are divided: scenes on two sides, splits that are one scene or too small, ungrouped frames."""

import numpy as np
from numpy.typing import NDArray

from terrazzo.inspect.doctor.duplicates import NEAR_BITS, looks, similar_pairs
from terrazzo.inspect.hashes import likeness
from terrazzo.inspect.kinds import Kind, finding, number, some
from terrazzo.inspect.report import Finding
from terrazzo.inspect.sources import HEAP
from terrazzo.inspect.survey import Survey

KINDS = {
    "scene-leakage": Kind(
        "warning",
        "Frames of one scene in two splits",
        "A model is scored on streets, rooms or patients that it was trained on.",
        "Keep each group in one split; group_pattern does so when a folder is divided.",
        "moves all frames of a shared group to the split that holds most of them",
    ),
    "neighbouring-frames": Kind(
        "warning",
        "Very similar images in two splits, and no groups declared",
        "They look like frames of one video, divided at random.",
        "Give group_pattern, and divide by groups.",
    ),
    "one-scene-split": Kind(
        "warning",
        "A split to score on that is a single scene",
        "Its score says how well that one scene goes, and its frames are far from independent.",
        "Score on several scenes, or say with the score that it is one.",
    ),
    "tiny-split": Kind(
        "warning",
        "A split of very few images",
        "A score on so few images moves by chance more than most improvements do.",
        "Move more images into it, or score by cross-validation.",
    ),
    "ungrouped-frames": Kind(
        "note",
        "Neighbouring files look alike, and no groups are declared",
        "If these are videos, a random division puts neighbours on both sides.",
        "Give group_pattern, a regular expression on the file name whose first group is the scene.",
    ),
}

SIMILAR_LIKENESS = 0.9
"""How alike the thumbnails of frames are that are close in time."""

FEW_SIMILAR = 3
TINY_IMAGES, TINY_SHARE = 5, 0.005
STEADY = 0.95
"""Share of neighbouring files that look alike from which a split is one scene."""


def shared_groups(survey: Survey) -> list[Finding]:
    """Find declared groups that are on two sides."""
    splits: dict[str, dict[str, int]] = {}
    for item in survey.source.items:
        if item.group is not None:
            of_group = splits.setdefault(item.group, {})
            of_group[item.split] = of_group.get(item.split, 0) + 1
    shared = {group: counts for group, counts in splits.items() if len(counts) > 1}
    if not shared:
        return []
    texts = (
        f"{group} in " + " and ".join(f"{split} ({count})" for split, count in counts.items())
        for group, counts in shared.items()
    )
    files = [item.image for item in survey.source.items if item.group in shared]
    found = f"{KINDS['scene-leakage'].what}: {number(len(shared), 'group')}, {some(texts)}."
    return [finding(KINDS, "scene-leakage", files, found)]


def similar_frames(survey: Survey) -> list[Finding]:
    """Find images of two splits that look like one scene, where nobody says what the scenes are."""
    items = survey.source.items
    if any(item.group is not None for item in items) or len({item.split for item in items}) < 2:
        return []
    places, thumbs, hashes = looks(survey)
    cases = []
    for i, j in similar_pairs(survey).tolist():
        one, other = items[places[i]], items[places[j]]
        far = (int(hashes[i]) ^ int(hashes[j])).bit_count() > NEAR_BITS
        if one.split != other.split and far and _alike(thumbs, i, j):
            cases.append((one.image, other.image))
    if len(cases) < FEW_SIMILAR:
        return []
    text = some(f"{one} ~ {other}" for one, other in cases)
    files = dict.fromkeys(file for case in cases for file in case)
    found = f"{KINDS['neighbouring-frames'].what}: {number(len(cases), 'pair')}, {text}."
    return [finding(KINDS, "neighbouring-frames", files, found)]


def single_scenes(survey: Survey) -> list[Finding]:
    """Find splits to score on that hold one group, or, without groups, one steady sequence."""
    findings = []
    for split in dict.fromkeys(item.split for item in survey.source.items):
        items = [item for item in survey.source.items if item.split == split]
        groups = {item.group for item in items}
        declared = None not in groups
        one = len(groups) == 1 if declared else steadiness(survey, split) >= STEADY
        if split in {"train", HEAP} or len(items) < 2 or not one:
            continue
        name = f"group {next(iter(groups))}" if declared else "one steady sequence, by the looks of it"
        found = f"{split} is a single scene: {number(len(items), 'image')}, {name}."
        findings.append(finding(KINDS, "one-scene-split", (), found))
    return findings


def tiny(survey: Survey) -> list[Finding]:
    """Find splits with very few images."""
    counts: dict[str, int] = {}
    for item in survey.source.items:
        counts[item.split] = counts.get(item.split, 0) + 1
    total = sum(counts.values())
    return [
        finding(KINDS, "tiny-split", (), f"{split} has {number(count, 'image')} of {total:,}.")
        for split, count in counts.items()
        if count < TINY_IMAGES or count < TINY_SHARE * total
    ]


def ungrouped(survey: Survey) -> list[Finding]:
    """Notice undivided data that look like video."""
    items = survey.source.items
    if len(items) < 2 * TINY_IMAGES or any(item.group is not None or item.split != HEAP for item in items):
        return []
    share = steadiness(survey, HEAP)
    found = f"{share:.0%} of neighbouring files look alike."
    return [finding(KINDS, "ungrouped-frames", (), found)] if share >= 0.5 else []


def steadiness(survey: Survey, split: str) -> float:
    """Return the share of neighbouring files of a split, by name, that look alike."""
    places, thumbs, _ = looks(survey)
    own = thumbs[[survey.source.items[place].split == split for place in places]]
    if len(own) < TINY_IMAGES:
        return 0.0
    return float((likeness(own[:-1], own[1:]) >= SIMILAR_LIKENESS).mean())


def _alike(thumbs: NDArray[np.uint8], i: int, j: int) -> bool:
    return bool(likeness(thumbs[i : i + 1], thumbs[j : j + 1])[0] >= SIMILAR_LIKENESS)


RULES = (shared_groups, similar_frames, single_scenes, tiny, ungrouped)
