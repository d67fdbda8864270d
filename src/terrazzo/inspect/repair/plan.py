"""What a repair does to each pair, decided from the survey alone; `copy` carries it out."""

import unicodedata
from collections import Counter
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import PurePath

from terrazzo.core.label_files import spread_color
from terrazzo.core.labels import LabelClass, LabelMap
from terrazzo.datasets import SPLITS
from terrazzo.inspect.doctor import masks as mask_rules
from terrazzo.inspect.doctor.usage import Usage, usage_of
from terrazzo.inspect.facts import PairFacts
from terrazzo.inspect.report import Finding
from terrazzo.inspect.sources import Item
from terrazzo.inspect.survey import Survey

ON_PAPER = {
    "class-colour-twice",
    "class-name-twice",
    "classes-missing",
    "mask-suffix",
    "num-classes-differs",
    "wrong-num-classes",
}
"""Kinds that a corrected dataset YAML and classes.json repair, without a copy of the files."""

UNTAKEN = {"unreadable-file", "truncated-file"}
"""Faults for which a pair is left out."""


@dataclass(frozen=True)
class Step:
    """What happens to one pair."""

    item: Item
    facts: PairFacts
    split: str
    """Where it goes."""

    name: str
    """Its new file name, without ending."""

    kinds: tuple[str, ...]
    """What is repaired."""

    kept: bool = True


def plan(survey: Survey, findings: tuple[Finding, ...]) -> list[Step]:
    """Return a step for every pair, in order."""
    kinds = {finding.kind for finding in findings if finding.fixable}
    usage = usage_of(survey)
    steps = [
        _step(item, facts, usage, kinds)
        for item, facts in zip(survey.source.items, survey.facts, strict=True)
    ]
    steps = _without_twins(steps) if kinds & {"duplicate-within-split", "duplicate-across-splits"} else steps
    return _with_groups_together(steps) if "scene-leakage" in kinds else steps


def mended_labels(survey: Survey) -> LabelMap:
    """Return the label map with the classes that the masks hold beyond it."""
    labels = survey.labels
    extra = usage_of(survey).extra
    more = tuple(LabelClass(f"extra_{i}", _color(labels, i), (i,)) for i in extra)
    return replace(labels, classes=labels.classes + more)


def needs_copy(findings: tuple[Finding, ...]) -> bool:
    """Say whether files must change, and not only what is declared about them."""
    return any(finding.fixable and finding.kind not in ON_PAPER for finding in findings)


def _step(item: Item, facts: PairFacts, usage: Usage, kinds: set[str]) -> Step:
    found = [fault.kind for fault in facts.faults]
    found.append(mask_rules.diagnose(facts, usage))
    found.append(_turned(facts))
    name = unicodedata.normalize("NFC", item.id.strip())
    if any(PurePath(path).stem != name for path in (item.image, item.mask)):
        found += [kind for kind in ("name-unicode", "name-spaces", "name-case") if kind in kinds]
    found.append("mixed-channels")
    mended = tuple(kind for kind in found if kind in kinds)
    dropped = any(kind in UNTAKEN or kind == "empty-mask" for kind in found if kind)
    return Step(item, facts, item.split, name, mended, kept=not dropped)


def _turned(facts: PairFacts) -> str:
    image, mask = facts.image, facts.mask
    if image is None or mask is None or (image.height, image.width) != (mask.width, mask.height):
        return ""
    if image.height == image.width:
        return ""
    return "exif-rotated" if image.orientation >= 5 else "transposed-pair"


def _without_twins(steps: list[Step]) -> list[Step]:
    """Keep the last split's first copy of each image that comes more than once with equal labels."""
    by_digest: dict[str, list[int]] = {}
    for place, step in enumerate(steps):
        if step.kept and step.facts.image is not None and step.facts.image.digest:
            by_digest.setdefault(step.facts.image.digest, []).append(place)
    dropped: set[int] = set()
    for places in by_digest.values():
        if len(places) > 1 and not _contrary([steps[place] for place in places]):
            best = max(places, key=lambda place: (_rank(steps[place].split), -place))
            dropped |= set(places) - {best}
    return [
        replace(step, kept=False, kinds=(*step.kinds, "duplicate")) if place in dropped else step
        for place, step in enumerate(steps)
    ]


def _contrary(steps: list[Step]) -> bool:
    """Say whether one split holds the image with different labels: only a person knows the right one."""
    if len({step.split for step in steps}) > 1:
        return False
    masks = [step.facts.mask for step in steps]
    return any(one and other and one.values != other.values for one, other in combinations(masks, 2))


def _with_groups_together(steps: list[Step]) -> list[Step]:
    """Move each group to the split that holds most of it."""
    counts: dict[str, Counter[str]] = {}
    for step in steps:
        if step.kept and step.item.group is not None:
            counts.setdefault(step.item.group, Counter())[step.split] += 1
    home = {
        group: max(of_group, key=lambda split, of_group=of_group: (of_group[split], _rank(split)))  # type: ignore[misc]
        for group, of_group in counts.items()
    }
    moved = []
    for step in steps:
        to = home.get(step.item.group or "", step.split)
        kinds = step.kinds if to == step.split else (*step.kinds, "scene-leakage")
        moved.append(replace(step, split=to, kinds=kinds))
    return moved


def _rank(split: str) -> int:
    return SPLITS.index(split) if split in SPLITS else -1


def _color(labels: LabelMap, place: int) -> tuple[int, int, int]:
    taken = {rgb for c in labels.classes for rgb in c.all_colors} | set(labels.void_colors)
    return next(rgb for i in range(place, place + 1000) if (rgb := spread_color(i)) not in taken)
