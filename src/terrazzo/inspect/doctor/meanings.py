"""What the values of a mask mean where they are not what is declared: by palette, brightness or damage."""

from terrazzo.core.labels import LabelMap
from terrazzo.inspect.doctor.usage import Usage, as_array
from terrazzo.inspect.facts import MaskFacts
from terrazzo.inspect.table import Table

DAMAGE_SHARE, DAMAGE_PLACES = 0.12, 10
"""Share of mixed borders from which a mask counts as damaged, and how many there must be. Clean masks of
CamVid, Cityscapes, KITTI, ADE20K and scenes stay below 0.04; damaged ones are above 0.19."""

RIPPLE_SHARE = 0.4
"""Share of ripples in the undeclared colours from which it was compression: after JPEG at qualities 60 to 98
it is above 0.41, after bilinear resizing below 0.14."""

MANY_COLORS = 12
"""Undeclared colours of one mask from which they are damage and not classes."""


def damage_of(mask: MaskFacts, usage: Usage) -> tuple[str, bool]:
    """Return the kind of damage that a mask would have, and whether it has it; see `texture`."""
    traces = mask.texture
    if mask.colors:
        many = mask.distinct - len(usage.table.colors[0]) >= MANY_COLORS
        damaged = many and traces.between + traces.jitter > DAMAGE_SHARE * traces.changes
        compressed = traces.jitter > RIPPLE_SHARE * (traces.jitter + traces.between)
        return ("jpeg-damage" if compressed else "resampling-damage"), damaged
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
        by_color = int(table.classes_of(as_array(color), colors=True)[0])
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
