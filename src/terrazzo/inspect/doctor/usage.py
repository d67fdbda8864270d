"""What all masks of a survey hold together: the background against which a single mask is judged."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.labels import LabelMap
from terrazzo.inspect.facts import MaskFacts
from terrazzo.inspect.survey import Survey
from terrazzo.inspect.table import Table

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


def undeclared(mask: MaskFacts, usage: Usage) -> set[int]:
    """Return the ids or packed colours of a mask that mean nothing."""
    values = list(mask.values)
    classes = usage.table.classes_of(as_array(*values), colors=mask.colors)
    return {value for value, k in zip(values, classes.tolist(), strict=True) if k > usage.table.count}


def classes_in(mask: MaskFacts, usage: Usage) -> set[int]:
    """Return the classes of a mask: K is void, K + 1 undeclared."""
    return set(usage.table.classes_of(as_array(*mask.values), colors=mask.colors).tolist())


def as_array(*values: int) -> NDArray[np.int64]:
    """Return some ids or packed colours as an array."""
    return np.array(values, dtype=np.int64)
