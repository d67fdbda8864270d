"""What is wrong with the values of single masks: each mask gets at most one diagnosis, the most telling one.

`diagnose` asks the questions in order; a mask that is damaged is not also reported for undeclared values.
"""

from collections.abc import Iterator

from terrazzo.core.undeclared import ranges
from terrazzo.inspect.doctor.images import is_blank
from terrazzo.inspect.doctor.meanings import damage_of, grey_ids, palette_ids
from terrazzo.inspect.doctor.usage import USUAL_SHARE, Usage, classes_in, shift_of, undeclared, usage_of
from terrazzo.inspect.facts import MaskFacts, PairFacts
from terrazzo.inspect.kinds import Kind, finding, number
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
    yield "palette-as-grey", bool(undeclared(mask, usage)) and bool(grey_ids(mask, usage.labels))
    yield "ids-off-by-one", shift_of(mask, usage) != 0
    unknown = undeclared(mask, usage)
    yield "wrong-num-classes", bool(unknown) and unknown <= set(usage.extra)
    yield ("undeclared-colours" if mask.colors else "undeclared-ids"), bool(unknown)


def _emptiness(facts: PairFacts, mask: MaskFacts, usage: Usage) -> str:
    classes = classes_in(mask, usage)
    labelled = classes - {usage.table.count}
    if not labelled:
        return "empty-mask"
    if len(labelled) > 1:
        return ""
    if len(mask.values) > 1:
        return "one-class-mask"
    blank = facts.image is None or is_blank(facts.image.std, facts.image.dtype)
    return "" if blank else "constant-mask"


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
            for value in undeclared(facts.mask, usage):
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


def _rgb(packed: int) -> tuple[int, int, int]:
    return packed >> 16, (packed >> 8) & 255, packed & 255


RULES = (masks,)
