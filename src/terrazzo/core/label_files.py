"""Reading `classes.json`, the file beside a dataset that says what its masks hold.

    {"classes": [{"name": "road", "color": [128, 64, 128], "id": 0},
                 {"name": "car", "color": [0, 0, 142], "raw_ids": [1, 2], "raw_colors": [[0, 0, 70]]},
                 {"name": "unlabelled", "color": [0, 0, 0], "id": 11, "void": true}],
     "void_ids": [255], "void_colors": [[1, 1, 1]]}

`id` (or `raw_ids`) is the position where it is left out; `colour` is `color`; a colour left out is chosen.
`ignore_index` is the same as a `void_ids` of one, and a class with that id is void.
Keys that other tools write are left alone, unless they look like a slip of one of these.
"""

import colorsys
import json
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, TypeVar

from terrazzo.core.errors import ConfigError
from terrazzo.core.labels import RGB, LabelClass, LabelMap
from terrazzo.core.sample import IGNORE

_TOP_KEYS = ("classes", "void_ids", "ignore_index", "void_colors")
_CLASS_KEYS = ("name", "color", "colour", "id", "raw_ids", "raw_colors", "void")
_T = TypeVar("_T")
_SLIP = 0.85  # likeness from which a foreign key is taken for a misspelt one


def read_label_map(path: str | Path) -> LabelMap:
    """Read a label map from a `classes.json`.

    Raises:
        ConfigError: the file is missing, is no JSON, or an entry is wrong; the message names file and entry.
    """
    path = Path(path)
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: there is no such file; expected a classes.json.") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as JSON: {error}.") from error
    try:
        return label_map_from(data)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def label_map_from(data: Any) -> LabelMap:
    """Build a label map from the contents of a `classes.json`, see the top of this file.

    Raises:
        ConfigError: an entry is missing, misspelt, or means two things.
    """
    if not isinstance(data, Mapping) or not isinstance(data.get("classes"), list):
        raise ConfigError('expected an object with a list "classes", as {"classes": [{"name": "road"}]}.')
    _refuse_slips(data, _TOP_KEYS, "the file")
    entries = [_entry(item, position) for position, item in enumerate(data["classes"])]
    if "void_ids" in data and "ignore_index" in data:
        raise ConfigError("both void_ids and ignore_index are given; keep one.")
    ignored = _ids(data["ignore_index"], "ignore_index") if "ignore_index" in data else ()
    is_void = [void or (bool(c.raw_ids) and set(c.raw_ids) <= set(ignored)) for c, void in entries]
    classes = tuple(c for (c, _), void in zip(entries, is_void, strict=True) if not void)
    voids = [c for (c, _), void in zip(entries, is_void, strict=True) if void]
    given = ignored or _ids(data.get("void_ids", [] if voids else [IGNORE]), "void_ids")
    colors = [_color(rgb, "void_colors") for rgb in data.get("void_colors", [])]
    colors += [rgb for c in voids for rgb in c.all_colors]
    return LabelMap(classes, _unique([*given, *(i for c in voids for i in c.raw_ids)]), _unique(colors))


def spread_color(position: int) -> RGB:
    """Return a colour for the class at a position: hues a golden angle apart, so neighbours differ."""
    hue = (0.03 + position * 0.618034) % 1.0
    value = (0.95, 0.75, 0.55)[position % 3]
    red, green, blue = (round(v * 255) for v in colorsys.hsv_to_rgb(hue, 0.65, value))
    return red, green, blue


def _entry(item: Any, position: int) -> tuple[LabelClass, bool]:
    """Return one class, and whether it is flagged as void."""
    item = {"name": item} if isinstance(item, str) else item
    if not isinstance(item, Mapping) or not isinstance(item.get("name"), str):
        raise ConfigError(f'classes[{position}] is {item!r}; expected an object with a "name".')
    where = f"class {item['name']!r}"
    _refuse_slips(item, _CLASS_KEYS, where)
    color = item.get("color", item.get("colour"))
    label = LabelClass(
        name=item["name"],
        color=spread_color(position) if color is None else _color(color, where),
        raw_ids=_ids(item.get("raw_ids", item.get("id", position)), where),
        raw_colors=tuple(_color(rgb, where) for rgb in item.get("raw_colors", [])),
    )
    return label, bool(item.get("void", False))


def _ids(value: Any, where: str) -> tuple[int, ...]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(i, int) and not isinstance(i, bool) for i in values):
        raise ConfigError(f"{where}: {value!r} are no ids; expected a whole number or a list of them.")
    return tuple(values)


def _color(value: Any, where: str) -> RGB:
    numbers = isinstance(value, list) and all(isinstance(v, int) and 0 <= v <= 255 for v in value)
    if not numbers or len(value) != 3:
        raise ConfigError(f"{where}: {value!r} is no colour; expected [red, green, blue], each 0..255.")
    return value[0], value[1], value[2]


def _unique(values: Iterable[_T]) -> tuple[_T, ...]:
    return tuple(dict.fromkeys(values))


def _refuse_slips(given: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in given:
        for name in known:
            if key not in known and SequenceMatcher(None, key, name).ratio() >= _SLIP:
                raise ConfigError(f"{where} has an unknown key {key!r}; did you mean {name!r}?")
