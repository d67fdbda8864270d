"""Mistakes in `classes.json`, and the label map a person most likely meant.

The strict reader stops at the first mistake; here every one is noted, and an inspection goes on with the
map as repaired as it can be.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from terrazzo.core.errors import ConfigError, DataError
from terrazzo.core.images import read_mask
from terrazzo.core.label_files import label_map_from, spread_color
from terrazzo.core.labels import LabelClass, LabelMap
from terrazzo.core.sample import IGNORE
from terrazzo.inspect.kinds import Kind, Trouble

KINDS = {
    "classes-missing": Kind(
        "error",
        "No classes.json",
        "Nothing says what the values of the masks mean, so they cannot be checked or trained on.",
        "Write a classes.json with the names; the repair writes one to start from.",
        "writes a classes.json of the values found",
    ),
    "classes-unreadable": Kind(
        "error",
        "A classes.json that cannot be read",
        "Nothing says what the values of the masks mean.",
        "Correct the place that the message names.",
    ),
    "class-name-twice": Kind(
        "error",
        "Two classes of one name",
        "Scores, legends and merged data sets tell classes apart by their names.",
        "Give each class its own name, or one class both ids as raw_ids.",
        "numbers the second one",
    ),
    "class-colour-twice": Kind(
        "error",
        "Two classes of one colour",
        "A colour mask cannot tell them apart, nor can a person looking at an overlay.",
        "Give each class its own colour.",
        "chooses another colour for the second one",
    ),
    "class-id-twice": Kind(
        "error",
        "Two classes of one id",
        "An id in a mask would mean two things.",
        "Give each class its own ids; only you know which of the two the masks mean.",
    ),
    "num-classes-differs": Kind(
        "error",
        "A num_classes that disagrees with the list of classes",
        "A model built from the number has outputs without a name, or lacks some.",
        "Correct the number or the list; void is not counted.",
        "writes the number of classes that are listed",
    ),
}

LOOKED_AT = 48
_COUNTS = ("num_classes", "nc", "n_classes", "number_of_classes")

Reading = tuple[LabelMap | None, list[Trouble]]


def read_classes(path: Path) -> Reading:
    """Read a classes.json; return the label map, mended where needed, and what was wrong.

    The map is None where the file is missing or past mending.
    """
    if not path.is_file():
        return None, [Trouble("classes-missing", (path.name,), f"{path.name} is not there")]
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        return None, [Trouble("classes-unreadable", (path.name,), str(error))]
    troubles: list[Trouble] = []
    entries = data.get("classes") if isinstance(data, Mapping) else None
    if isinstance(entries, list) and all(isinstance(entry, Mapping) for entry in entries):
        mended, troubles = _without_doubles(entries, path.name)
        data = {**data, "classes": mended}
    try:
        labels = label_map_from(data)
    except ConfigError as error:
        kind = "class-id-twice" if "raw id" in str(error) and "both" in str(error) else "classes-unreadable"
        return None, [*troubles, Trouble(kind, (path.name,), str(error))]
    return labels, troubles + count_trouble(data, labels, path.name)


def count_trouble(data: Mapping[str, Any], labels: LabelMap, file: str) -> list[Trouble]:
    """Compare a number of classes that stands in a file, if one does, with the classes that there are."""
    return [
        Trouble("num-classes-differs", (file,), f"{key} is {data[key]}, but {labels.num_classes} are listed")
        for key in _COUNTS
        if isinstance(data.get(key), int) and data[key] != labels.num_classes
    ]


def guess_classes(root: Path, masks: Sequence[str]) -> LabelMap | None:
    """Build a label map from the values of some masks, for data that have none; 255 beside others is void."""
    ids: set[int] = set()
    colors: set[tuple[int, int, int]] = set()
    chosen = {int(i) for i in np.linspace(0, len(masks) - 1, min(len(masks), LOOKED_AT))} if masks else set()
    for mask in (masks[i] for i in sorted(chosen)):
        try:
            raw = read_mask(root / mask)
        except DataError:
            continue
        if raw.ndim == 3:
            colors |= {(int(r), int(g), int(b)) for r, g, b in np.unique(raw.reshape(-1, 3), axis=0)}
        elif np.issubdtype(raw.dtype, np.integer):
            ids |= {int(i) for i in np.unique(raw) if i >= 0}
    if colors:
        listed = [LabelClass(f"class_{i}", rgb, (i,)) for i, rgb in enumerate(sorted(colors)[:IGNORE])]
        return LabelMap(tuple(listed))
    classes = [i for i in sorted(ids) if i != IGNORE or len(ids) == 2][:1000]
    void = () if IGNORE in classes else (IGNORE,)
    if not classes:
        return None
    return LabelMap(
        tuple(LabelClass(f"class_{i}", spread_color(p), (i,)) for p, i in enumerate(classes)), void
    )


def _without_doubles(entries: Sequence[Mapping[str, Any]], file: str) -> tuple[list[Any], list[Trouble]]:
    """Rename and recolour what comes twice."""
    mended: list[Any] = []
    troubles: list[Trouble] = []
    names: set[str] = set()
    colors: set[tuple[int, ...]] = {tuple(c) for e in entries if (c := _color(e)) is not None}
    used: set[tuple[int, ...]] = set()
    for place, given in enumerate(entries):
        entry = dict(given)
        name, color = str(entry.get("name")), _color(entry)
        if name in names:
            entry["name"] = f"{name} ({place})"
            troubles.append(Trouble("class-name-twice", (file,), repr(name)))
        if color is not None and tuple(color) in used:
            troubles.append(Trouble("class-colour-twice", (file,), f"{color} of {name!r} and an earlier one"))
            entry.pop("colour", None)
            entry["color"] = list(_fresh_color(place, colors))
            colors.add(tuple(entry["color"]))
        names.add(entry["name"] if isinstance(entry.get("name"), str) else name)
        used.add(tuple(_color(entry) or ()))
        mended.append(entry)
    return mended, troubles


def _color(entry: Mapping[str, Any]) -> list[int] | None:
    color = entry.get("color", entry.get("colour"))
    return color if isinstance(color, list) else None


def _fresh_color(place: int, taken: set[tuple[int, ...]]) -> tuple[int, int, int]:
    return next(rgb for i in range(place, place + 1000) if (rgb := spread_color(i)) not in taken)
