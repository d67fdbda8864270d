"""What is wrong with the values of single masks: each mask gets at most one diagnosis, the most telling one.

`diagnose` asks the questions in order; a mask that is damaged is not also reported for undeclared values.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.labels import LabelMap
from terrazzo.core.undeclared import ranges
from terrazzo.inspect.doctor.images import is_blank
from terrazzo.inspect.facts import MaskFacts, PairFacts
from terrazzo.inspect.kinds import Kind, finding, number
from terrazzo.inspect.measure import Table
from terrazzo.inspect.report import Finding
from terrazzo.inspect.sources import Item
from terrazzo.inspect.survey import Survey

KINDS = {
    "palette-indices": Kind(
        "error",
        "Palette masks whose indices and colours mean different classes",
        "A palette made by a converter numbers the colours in any order, and the indices are what is read.",
        "Save the masks with the declared ids, or as RGB colours.",
        "writes the ids that the colours mean",
    ),
    "palette-as-grey": Kind(
        "error",
        "Masks that hold the brightness of class colours",
        "A colour or palette mask was converted to grey, which invents ids.",
        "Convert the original masks by their colours, not their brightness.",
        "writes the ids whose colours have these brightnesses",
    ),
    "binary-255": Kind(
        "error",
        "Masks of 0 and 255 for two classes",
        "255 is void or nothing here, so the second class would vanish without a word.",
        "Save the second class under its own id, or declare 255 as its raw id and no void.",
        "writes the id of the second class for 255",
    ),
    "ids-off-by-one": Kind(
        "error",
        "Ids that are all off by one",
        "Every pixel is labelled as the class beside its own.",
        "Shift the ids back; export tools often count classes from 1, with 0 for void.",
        "shifts the ids back",
    ),
    "wrong-num-classes": Kind(
        "error",
        "More classes in the masks than are declared",
        "A model with too few outputs fails, or learns the classes that are left.",
        "Add the missing classes to classes.json with their names.",
        "adds classes by the names extra_9, extra_10, ... to classes.json",
    ),
    "undeclared-ids": Kind(
        "error",
        "Ids that nobody declared",
        "Nobody knows what they mean, and reading stops rather than calling them void.",
        "Add each id to a class or to the void ids, or repair the masks.",
    ),
    "undeclared-colours": Kind(
        "error",
        "Colours that nobody declared",
        "Nobody knows what they mean, and reading stops rather than calling them void.",
        "Add each colour to a class or to the void colours, or repair the masks.",
    ),
    "jpeg-damage": Kind(
        "error",
        "Masks with the ripples of lossy compression",
        "The mask once was a JPEG: labels near borders are noise, also where they are declared ones.",
        "Export the masks again from the original; a PNG made of a JPEG keeps the damage.",
        "of colour masks, writes each pixel's closest declared colour, and void where that is unsure",
    ),
    "resampling-damage": Kind(
        "error",
        "Masks with values mixed between neighbouring classes",
        "The mask was resized as if it were a photo, so borders carry labels of unrelated classes.",
        "Resize masks by nearest neighbour only; export these again from the original.",
        "makes the mixed pixels void",
    ),
    "empty-mask": Kind(
        "warning",
        "Masks of nothing but void",
        "Such an image teaches and scores nothing.",
        "Label the images, or remove the pairs.",
        "leaves the pair out",
    ),
    "constant-mask": Kind(
        "warning",
        "Masks of one value over images that show more",
        "This is what an annotation that was never begun looks like.",
        "Look at the pairs; label them, or make the rest void.",
    ),
    "one-class-mask": Kind(
        "note",
        "Masks of one class and void",
        "They are fine where only that class was to be labelled.",
        "Look at a few of them.",
    ),
}

DAMAGE_SHARE, DAMAGE_PLACES = 0.12, 10
"""Share of mixed borders from which a mask counts as damaged, and how many there must be. Clean masks of
CamVid, Cityscapes, KITTI, ADE20K and scenes stay below 0.04; damaged ones are above 0.19."""

MANY_COLORS = 12
"""Undeclared colours of one mask from which they are damage and not classes."""

USUAL_SHARE = 0.2
"""Share of masks in which surplus ids must occur to be forgotten classes and not slips; and of masks of one
value from which they are how these data are."""


@dataclass(frozen=True)
class Usage:
    """What all masks together hold: the background for judging a single one."""

    table: Table
    masks: int
    extra: tuple[int, ...]
    """Ids right above the declared ones that occur in many masks."""

    shifts: frozenset[int]
    """+1 or -1 where single masks may be shifted by so much."""

    shift: int
    """+1 or -1 where all masks are shifted by so much, else 0."""

    binary: bool
    """There are two classes, and masks hold nothing but 0 and 255."""

    @property
    def labels(self) -> LabelMap:
        """What is declared."""
        return self.table.labels


def masks(survey: Survey) -> list[Finding]:
    """Diagnose every mask, and report each diagnosis once with all its masks."""
    usage = usage_of(survey)
    cases: dict[str, list[tuple[Item, PairFacts]]] = {}
    for item, facts in zip(survey.source.items, survey.facts, strict=True):
        kind = diagnose(facts, usage)
        if kind:
            cases.setdefault(kind, []).append((item, facts))
    return [_finding(kind, cases[kind], usage) for kind in KINDS if kind in cases]


def diagnose(facts: PairFacts, usage: Usage) -> str:
    """Return the kind that fits this mask best; empty for a sound one."""
    mask = facts.mask
    if mask is None or any(fault.side == "mask" and fault.kind == "lossy-mask" for fault in facts.faults):
        return ""
    for kind, holds in _questions(mask, usage):
        if holds:
            return kind
    return _emptiness(facts, mask, usage)


def _questions(mask: MaskFacts, usage: Usage) -> Iterator[tuple[str, bool]]:
    yield "palette-indices", bool(palette_ids(mask, usage.table))
    yield "binary-255", usage.binary and set(mask.values) <= {0, 255} and 255 in mask.values
    yield damage_of(mask, usage)
    yield "palette-as-grey", bool(_undeclared(mask, usage)) and bool(grey_ids(mask, usage.labels))
    yield "ids-off-by-one", shift_of(mask, usage) != 0
    unknown = _undeclared(mask, usage)
    yield "wrong-num-classes", bool(unknown) and unknown <= set(usage.extra)
    yield ("undeclared-colours" if mask.colors else "undeclared-ids"), bool(unknown)


def _emptiness(facts: PairFacts, mask: MaskFacts, usage: Usage) -> str:
    classes = _classes(mask, usage)
    labelled = classes - {usage.table.count}
    if not labelled:
        return "empty-mask"
    if len(labelled) > 1:
        return ""
    if len(mask.values) > 1:
        return "one-class-mask"
    blank = facts.image is None or is_blank(facts.image.std, facts.image.dtype)
    return "" if blank else "constant-mask"


def usage_of(survey: Survey) -> Usage:
    """Look over all masks of ids."""
    table = Table(survey.labels)
    held = [facts.mask for facts in survey.facts if facts.mask is not None and not facts.mask.colors]
    counts: dict[int, int] = {}
    for mask in held:
        for value in mask.values:
            counts[value] = counts.get(value, 0) + 1
    declared = sorted(i for c in survey.labels.classes for i in c.raw_ids)
    return Usage(
        table=table,
        masks=len(held),
        extra=_extra(counts, declared, survey.labels, len(held)),
        shifts=frozenset(_shifts(counts, declared, len(held))),
        shift=_shift_of_all(counts, declared, len(held)),
        binary=survey.labels.num_classes == 2 and bool(held) and _only_0_255(counts, declared),
    )


def _only_0_255(counts: dict[int, int], declared: list[int]) -> bool:
    return 255 in counts and set(counts) <= {0, 255} and 255 not in declared


def _extra(counts: dict[int, int], declared: list[int], labels: LabelMap, masks: int) -> tuple[int, ...]:
    """Return the ids that follow the last declared one without a gap, where many masks hold some of them."""
    extra = []
    value = declared[-1] + 1
    while value in counts and value not in labels.void_ids:
        extra.append(value)
        value += 1
    usual = max((counts[i] for i in extra), default=0) >= max(2, USUAL_SHARE * masks)
    return tuple(extra) if usual else ()


def _shifts(counts: dict[int, int], declared: list[int], masks: int) -> Iterator[int]:
    """Yield the shifts that some masks may have: an id past one end, where others hold the other end."""
    for shift, beyond, behind in _ends(declared):
        if beyond in counts and counts.get(behind, 0) >= 0.5 * masks:
            yield shift


def _shift_of_all(counts: dict[int, int], declared: list[int], masks: int) -> int:
    """Return the shift of a whole data set: ids past one end occur, and the other end never does."""
    for shift, beyond, behind in _ends(declared):
        if counts.get(beyond, 0) >= max(2, 0.05 * masks) and behind not in counts:
            return shift
    return 0


def _ends(declared: list[int]) -> list[tuple[int, int, int]]:
    """Return (shift, id that it makes, id that it leaves empty), where ids are declared without gaps."""
    first, last = declared[0], declared[-1]
    if declared != list(range(first, last + 1)) or len(declared) < 2:
        return []
    return [(1, last + 1, first), (-1, first - 1, last)]


def shift_of(mask: MaskFacts, usage: Usage) -> int:
    """Return by how much the ids of a mask are off: +1, -1, or 0 where they are not."""
    if mask.colors:
        return 0
    declared = {i for c in usage.labels.classes for i in c.raw_ids}
    ids = set(mask.values) - set(usage.labels.void_ids)
    if usage.shift and ids and {i - usage.shift for i in ids} <= declared:
        return usage.shift
    for shift in sorted(usage.shifts):
        behind = min(declared) if shift > 0 else max(declared)
        if ids - declared and behind not in ids and {i - shift for i in ids} <= declared:
            return shift
    return 0


def damage_of(mask: MaskFacts, usage: Usage) -> tuple[str, bool]:
    """Return the kind of damage that a mask would have, and whether it has it; see `texture`."""
    traces = mask.texture
    if mask.colors:
        many = mask.distinct - len(usage.table.colors[0]) >= MANY_COLORS
        damaged = many and traces.between + traces.jitter > DAMAGE_SHARE * traces.changes
        return ("jpeg-damage" if traces.jitter > 2 * traces.between else "resampling-damage"), damaged
    damaged = traces.between >= DAMAGE_PLACES and traces.between > DAMAGE_SHARE * traces.changes
    return ("jpeg-damage" if traces.jitter > traces.between else "resampling-damage"), damaged


def palette_ids(mask: MaskFacts, table: Table) -> dict[int, int]:
    """Return index -> declared id, where the colours of a palette mask mean other classes than its indices.

    Empty where they agree, or where a colour is not declared and so means nothing.
    """
    if not mask.palette:
        return {}
    meant = {}
    wrong = False
    for index, color in mask.palette.items():
        by_index = int(table.ids[min(index, len(table.ids) - 1)])
        by_color = int(table.classes_of(_array(color), colors=True)[0])
        if by_color > table.count and by_index != table.count:
            return {}
        by_color = min(by_color, table.count)
        wrong |= by_color != by_index
        meant[index] = written_id(table.labels, by_color)
    return meant if wrong else {}


def grey_ids(mask: MaskFacts, labels: LabelMap) -> dict[int, int]:
    """Return brightness -> declared id, where every value of a mask is the brightness of a class's colour."""
    if mask.colors or len(mask.values) < 2:
        return {}
    meant: dict[int, int] = {}
    for k, label in enumerate(labels.classes):
        red, green, blue = label.color
        # As Pillow converts RGB to grey: ITU-R BT.601 in 16-bit fixed point.
        luma = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16
        if luma in meant:
            return {}
        meant[luma] = written_id(labels, k)
    void = written_id(labels, labels.num_classes)
    meant = {0: void, 255: void} | meant
    return {value: meant[value] for value in mask.values} if set(mask.values) <= set(meant) else {}


def written_id(labels: LabelMap, k: int) -> int:
    """Return the raw id that is written for a class, and for void where k is K."""
    if k < labels.num_classes:
        return labels.classes[k].raw_ids[0]
    return labels.void_ids[0] if labels.void_ids else 255


def _finding(kind: str, cases: list[tuple[Item, PairFacts]], usage: Usage) -> Finding:
    files = [item.mask for item, _ in cases]
    found = f"{KINDS[kind].what}: {number(len(cases), 'mask')}{_numbers(kind, cases, usage)}."
    rare = len(cases) <= USUAL_SHARE * max(1, usage.masks)
    note = kind == "constant-mask" and not rare and len(cases) > 2
    restorable = kind != "jpeg-damage" or all(facts.mask and facts.mask.colors for _, facts in cases)
    return finding(KINDS, kind, files, found, severity="note" if note else None, fixable=restorable)


def _numbers(kind: str, cases: list[tuple[Item, PairFacts]], usage: Usage) -> str:
    unknown: dict[int, int] = {}
    for _, facts in cases:
        if facts.mask is not None:
            for value in _undeclared(facts.mask, usage):
                unknown[value] = unknown.get(value, 0) + facts.mask.values[value]
    if kind == "wrong-num-classes":
        count = usage.labels.num_classes
        return f" with ids {ranges(sorted(unknown))}; {count} are declared, {count + len(usage.extra)} found"
    if kind == "undeclared-ids":
        declared = ranges([i for c in usage.labels.classes for i in c.raw_ids])
        pixels = number(sum(unknown.values()), "pixel")
        return f" with ids {ranges(sorted(unknown)[:20])} on {pixels}; declared are {declared}"
    if kind == "undeclared-colours":
        named = ", ".join(str(_rgb(value)) for value in sorted(unknown, key=lambda v: -unknown[v])[:4])
        return f" with {named} on {number(sum(unknown.values()), 'pixel')}"
    return ""


def _undeclared(mask: MaskFacts, usage: Usage) -> set[int]:
    values = list(mask.values)
    classes = usage.table.classes_of(_array(*values), colors=mask.colors)
    return {value for value, k in zip(values, classes.tolist(), strict=True) if k > usage.table.count}


def _classes(mask: MaskFacts, usage: Usage) -> set[int]:
    return set(usage.table.classes_of(_array(*mask.values), colors=mask.colors).tolist())


def _array(*values: int) -> NDArray[np.int64]:
    return np.array(values, dtype=np.int64)


def _rgb(packed: int) -> tuple[int, int, int]:
    return packed >> 16, (packed >> 8) & 255, packed & 255


RULES = (masks,)
