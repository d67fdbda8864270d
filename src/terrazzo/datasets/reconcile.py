"""Label maps of several sources made one: classes matched by name, differences refused or declared.

Nothing is guessed: a class that one source has and another lacks is an error, because the pixels that it
would have had there carry another label, and a network would learn both. A person may say otherwise:

    aliases    {car: [automobile, Auto]}    other names for a class
    classes    [road, car]                  the classes that are wanted, in this order; by default all
    missing    allow                        a source may lack a class
    unmatched  void                         classes of a source that are not wanted become void
"""

from collections.abc import Mapping, Sequence
from itertools import chain, count
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import RequestError, did_you_mean
from terrazzo.core.label_files import spread_color
from terrazzo.core.labels import RGB, LabelClass, LabelMap

Missing = Literal["error", "allow"]
Unmatched = Literal["error", "void"]


def reconcile(
    sources: Mapping[str, LabelMap],
    *,
    classes: Sequence[str] | None = None,
    aliases: Mapping[str, Sequence[str]] | None = None,
    missing: Missing = "error",
    unmatched: Unmatched = "error",
) -> tuple[LabelMap, dict[str, NDArray[np.int16]]]:
    """Return the common label map, and for each source a table from its train ids to the common ones.

    Names are compared without regard to case and to the marks between words (`traffic-sign`, `Traffic sign`).

    Args:
        sources: label map of each source by its name.
        classes: the common classes; by default those of all sources, in the order of their first appearance.
        aliases: common class -> other names it has.
        missing: what to do where a source lacks a common class.
        unmatched: what to do with a class of a source that is no common one.

    Returns:
        The map, and tables (256 entries, or K + 1 where a source has more) that end on void: index a mask.

    Raises:
        RequestError: every class that is missing or unmatched, by source; or an alias of nothing.
    """
    common_of = _names(sources, classes, aliases or {})
    wanted = list(dict.fromkeys(classes if classes is not None else common_of.values()))
    problems = []
    for name, labels in sources.items():
        has = {common_of.get(name_key(own)) for own in labels.names}
        lacks = [c for c in wanted if c not in has]
        if lacks and missing == "error":
            problems.append(f"  {name} has no class {', '.join(map(repr, lacks))}")
        extra = [own for own in labels.names if common_of.get(name_key(own)) not in wanted]
        if extra and unmatched == "error":
            problems.append(f"  {name} has {', '.join(map(repr, extra))}, which is not wanted")
        _refuse_merging(name, labels, common_of, wanted)
    if problems:
        raise RequestError(_advice(problems))
    labels = _common_map(sources, wanted, common_of)
    return labels, {name: _table(own, labels, common_of) for name, own in sources.items()}


def name_key(name: str) -> str:
    """Return what names that mean the same class have in common: lower case, letters and digits alone."""
    return "".join(c for c in name.lower() if c.isalnum())


def _names(
    sources: Mapping[str, LabelMap], classes: Sequence[str] | None, aliases: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """Return the common class that each name, written without case and marks, stands for."""
    known: dict[str, str] = {}
    for labels in sources.values():
        for own in labels.names:
            known.setdefault(name_key(own), own)
    common_of = dict(known) if classes is None else {name_key(name): name for name in classes}
    for common, others in aliases.items():
        if classes is not None and name_key(common) not in map(name_key, classes):
            raise RequestError(f"aliases name {common!r}, which is no class: {did_you_mean(common, classes)}")
        for other in (common, *others):
            if other != common and name_key(other) not in known:
                raise RequestError(
                    f"{other!r} is given as another name of {common!r}, but no source has such a class: "
                    f"{did_you_mean(other, known.values())}"
                )
        written = common if classes is None else common_of[name_key(common)]
        for other in (common, *others):
            common_of[name_key(other)] = written
    return common_of


def _refuse_merging(name: str, labels: LabelMap, common_of: Mapping[str, str], wanted: Sequence[str]) -> None:
    """Two classes of one source may become one only by an alias that says so; by spelling alone never."""
    seen: dict[str, str] = {}
    for own in labels.names:
        key = name_key(own)
        if key in seen and common_of.get(key) in wanted:
            raise RequestError(
                f"{name} has the classes {seen[key]!r} and {own!r}, which differ only in case or marks "
                "between words, as the names of one class may; rename one."
            )
        seen[key] = own


def _advice(problems: Sequence[str]) -> str:
    return (
        "The classes of the sources do not agree:\n" + "\n".join(problems) + "\n"
        "Give other names of a class in aliases ({car: [automobile]}), choose the common ones in classes, "
        "or say missing: allow (a source may lack a class, whose pixels there carry another label) "
        "or unmatched: void (classes that are not wanted count for nothing)."
    )


def _common_map(
    sources: Mapping[str, LabelMap], wanted: Sequence[str], common_of: Mapping[str, str]
) -> LabelMap:
    """Return the map with raw ids 0..K-1, each class in the colour of the first source that has it."""
    used: set[RGB] = set()
    classes = []
    for position, name in enumerate(wanted):
        colors = [
            c.color for m in sources.values() for c in m.classes if common_of.get(name_key(c.name)) == name
        ]
        fresh = (spread_color(position + step) for step in count())
        color = next(c for c in chain(colors, fresh) if c not in used)
        used.add(color)
        classes.append(LabelClass(name, color, (position,)))
    void = (255,) if len(classes) <= 255 else (65535,)
    return LabelMap(tuple(classes), void)


def _table(own: LabelMap, common: LabelMap, common_of: Mapping[str, str]) -> NDArray[np.int16]:
    size = max(256, own.num_classes + 1)
    table = np.full(size, common.ignore_index, dtype=np.int16)
    for train_id, name in enumerate(own.names):
        target = common_of.get(name_key(name))
        if target in common.names:
            table[train_id] = common.names.index(target)
    return table
