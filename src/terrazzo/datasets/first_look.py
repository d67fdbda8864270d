"""A look at a few masks before any training: what do they hold, and does it fit what was declared?"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from terrazzo.core.errors import ConfigError, DataError
from terrazzo.core.images import Encoded, read_mask
from terrazzo.core.label_files import spread_color
from terrazzo.core.labels import LabelMap
from terrazzo.core.sample import IGNORE

LOOKED_AT = 16
MOST_LOOKED_AT = 256
_MOST_CLASSES = 64
_Mask = TypeVar("_Mask", Path, Path | Encoded)


def ask_for_classes(path: Path, masks: Sequence[Path | Encoded]) -> ConfigError:
    """Build the error for a missing classes.json: what the masks hold, and a file to paste.

    Args:
        path: where the file was expected.
        masks: mask files of the dataset; up to 16 of them, evenly spread, are read.
    """
    ids: set[int] = set()
    colors: set[tuple[int, int, int]] = set()
    looked = _spread(masks, LOOKED_AT)
    for mask in looked:
        raw = read_mask(mask)
        if raw.ndim == 3:
            colors |= {(int(r), int(g), int(b)) for r, g, b in np.unique(raw.reshape(-1, 3), axis=0)[:257]}
        else:
            ids |= {int(i) for i in np.unique(raw)}
    what = f"the ids {sorted(ids)}" if not colors else f"{len(colors)} colours: {sorted(colors)[:12]}"
    if max(len(ids), len(colors)) > _MOST_CLASSES:
        return ConfigError(
            f"{path} is missing, and {len(looked)} masks hold {max(len(ids), len(colors))} different values, "
            "too many for labels: are they photos, or resized with interpolation? Expected label masks."
        )
    template = _template(sorted(ids), sorted(colors))
    return ConfigError(
        f"{path} is missing: it names the classes. {len(looked)} masks looked at hold {what}. "
        f"Save this as {path.name}, with your own names:\n{template}"
    )


def refuse_binary_255(labels: LabelMap, masks: Sequence[Path]) -> None:
    """Refuse 0/255 masks for a two-class map: 255 would be read as void, and the class would vanish.

    Raises:
        DataError: masks hold 0 and 255 and never the id of the second class.
    """
    if labels.num_classes != 2 or IGNORE not in labels.void_ids:
        return
    second = labels.classes[1].raw_ids[0]
    seen: set[int] = set()
    for count, mask in enumerate(_spread(masks, MOST_LOOKED_AT)):
        raw = read_mask(mask)
        if raw.ndim == 3:
            return
        seen |= {int(i) for i in np.unique(raw)}
        if seen - {0, IGNORE} or (count >= LOOKED_AT and IGNORE not in seen):
            return
    if seen == {0, IGNORE}:
        raise DataError(
            f"{masks[0].parent}: the masks hold only 0 and 255, but 255 is declared as void and the class "
            f"{labels.classes[1].name!r} (id {second}) never occurs: it would silently be ignored. "
            f'Declare "raw_ids": [255] for {labels.classes[1].name!r} and "void_ids": [], or save it as '
            f"{second}."
        )


def _template(ids: Sequence[int], colors: Sequence[tuple[int, int, int]]) -> str:
    """Write a classes.json, one class a line."""
    binary = set(ids) == {0, IGNORE}
    classes = [i for i in ids if i != IGNORE or binary]
    lines = [
        json.dumps({"name": f"class_{i}", "id": i, "color": list(spread_color(p))})
        for p, i in enumerate(classes)
    ]
    lines += [json.dumps({"name": f"class_{p}", "color": list(rgb)}) for p, rgb in enumerate(colors)]
    void = [] if binary or (colors and not ids) else [IGNORE]
    return '{"classes": [\n  ' + ",\n  ".join(lines) + f'\n], "void_ids": {json.dumps(void)}}}'


def _spread(masks: Sequence[_Mask], most: int) -> list[_Mask]:
    """Return at most so many of the files, the first of an even spread first."""
    if len(masks) <= most:
        return list(masks)
    return [masks[int(i)] for i in np.linspace(0, len(masks) - 1, most)]
