"""`stanford-2d3ds`: rooms of six large indoor areas, photographed all around.

Classes: 13, in alphabetical order: beam, board, bookcase, ceiling, chair, clutter, column, door, floor, sofa,
table, wall, window. `<UNK>` and missing pixels are void: published scores are over the thirteen.

Format: a semantic PNG holds one number per pixel in base 256, R * 65536 + G * 256 + B: the place of an
instance in assets/semantic_labels.json, whose names are class_instance_roomtype_room_area. 0x0D0D0D marks
pixels that no surface of the scan covers. Regular images are 1080 x 1080, panoramas (`pano`) 2048 x 4096.

Split: any, by area: 1, 2, 3, 4, 5a, 5b, 6. The default is the first published fold: train on 1, 2, 3, 4 and
6, validate on 5a and 5b. The others: test on 2 and 4, or on 1, 3 and 6. Group: the room.

Licence: for research, under the terms of the dataset. Citation: Armeni, Sax, Zamir, Savarese: Joint 2D-3D-
Semantic Data for Indoor Scene Understanding, 2017, https://arxiv.org/abs/1702.01105.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import DataError, RequestError
from terrazzo.core.images import read_image, read_mask
from terrazzo.core.labels import LabelClass, LabelMap, pack_colors
from terrazzo.datasets.about import About
from terrazzo.datasets.base import SPLITS, PairDataset, check_split, refuse_empty, wanted_splits
from terrazzo.datasets.pairing import Pair, check_pairs

ABOUT = About(
    name="stanford-2d3ds",
    title="Stanford 2D-3D-Semantics",
    homepage="https://github.com/alexsax/2D-3D-Semantics",
    licence="Research, under the dataset's terms; the form on its page leads to the files.",
    citation="Armeni, Sax, Zamir, Savarese: Joint 2D-3D-Semantic Data for Indoor Scene Understanding, 2017.",
    splits={"train": 52903, "val": 17593},
    layout=(
        "assets/semantic_labels.json                   (or beside the areas)",
        "area_1/data/rgb/camera_<id>_<room>_frame_<n>_domain_rgb.png",
        "area_1/data/semantic/camera_<id>_<room>_frame_<n>_domain_semantic.png",
        "area_2/ ... area_5a/ area_5b/ area_6/         (pano/ instead of data/ for panoramas)",
    ),
)

AREAS = ("1", "2", "3", "4", "5a", "5b", "6")
DEFAULT_AREAS = {"train": ("1", "2", "3", "4", "6"), "val": ("5a", "5b"), "test": ()}

_COLORS = {
    "beam": (255, 255, 0),
    "board": (200, 200, 200),
    "bookcase": (10, 200, 100),
    "ceiling": (0, 255, 0),
    "chair": (255, 0, 0),
    "clutter": (50, 50, 50),
    "column": (255, 0, 255),
    "door": (200, 200, 100),
    "floor": (0, 0, 255),
    "sofa": (200, 100, 100),
    "table": (170, 120, 200),
    "wall": (0, 255, 255),
    "window": (100, 100, 255),
}
UNKNOWN_ID, MISSING_ID = 13, 255
LABELS = LabelMap(
    tuple(LabelClass(name, color, (i,)) for i, (name, color) in enumerate(_COLORS.items())),
    (MISSING_ID, UNKNOWN_ID),
)
"""Ids 0..12; void: 13, `<UNK>`, and 255, missing."""

MISSING = 0x0D0D0D
"""The number of pixels without a surface."""

_NOBODY = 254  # an instance number that the list does not have


class Stanford2D3DS(PairDataset):
    """Stanford 2D-3D-Semantics, divided by area."""

    kind = "stanford-2d3ds"
    known_labels = LABELS

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        *,
        areas: Mapping[str, Sequence[str | int]] | None = None,
        pano: bool = False,
        cache: bool = False,
    ) -> None:
        """Find the pairs of a split and check them.

        Args:
            root: the folder that holds area_1/ and its siblings.
            split: train, val, test or all.
            areas: the areas of each split, for instance {"train": [2, 4, "5a", "5b"], "val": [1, 3, 6]}; an
                area is in one split at most.
            pano: take the panoramas (pano/) instead of the regular images (data/).
            cache: keep decoded samples in memory.

        Raises:
            DataError: no areas, no list of instances, wrong pairs (all listed), or an empty split.
            RequestError: an unknown split or area, or an area in two splits.
        """
        check_split(split)
        root = Path(root)
        chosen = _checked(DEFAULT_AREAS if areas is None else areas)
        folder = "pano" if pano else "data"
        found = {area: root / f"area_{area}" / folder for area in AREAS}
        if not any(path.is_dir() for path in found.values()):
            raise DataError(
                f"{root}: no Stanford 2D-3D-S here. Expected area_1/{folder}/rgb and "
                f"area_1/{folder}/semantic, or another "
                "of the areas; give the folder that holds them."
            )
        self._list = _labels_file(root)
        self._table = _instance_table(self._list)
        pairs = {name: [p for area in chosen[name] for p in _pairs(found[area], area)] for name in SPLITS}
        refuse_empty(split, root, {name: len(items) for name, items in pairs.items()}, _advice(chosen))
        wanted = [pair for name in wanted_splits(split) for pair in pairs[name]]
        check_pairs(wanted, root)
        there = [area for name in wanted_splits(split) for area in chosen[name] if found[area].is_dir()]
        self.notes = (f"areas {', '.join(there)}",)
        super().__init__(
            wanted, split=split, labels=LABELS, groups=[room_of(pair.id) for pair in wanted], cache=cache
        )

    def read(self, index: int) -> tuple[NDArray[Any], NDArray[Any], str]:
        """Read both files and look the instances up."""
        pair = self.pairs[index]
        return read_image(pair.image), self._classes(read_mask(pair.mask), pair.mask), str(pair.mask)

    def files(self, index: int) -> tuple[Path, ...]:
        """Return the files that a sample is read from, the list of instances among them."""
        return self.pairs[index].image, self.pairs[index].mask, self._list

    def _classes(self, colors: NDArray[Any], source: Path) -> NDArray[np.uint8]:
        """Turn instance colours (H, W, 3) into raw ids (H, W)."""
        if colors.ndim != 3:
            raise DataError(
                f"{source}: {colors.shape} ids; expected RGB, in which instance numbers are written."
            )
        numbers = pack_colors(colors)
        ids = self._table[np.minimum(numbers, len(self._table) - 1)]
        ids[numbers == MISSING] = MISSING_ID
        wrong = ids == _NOBODY
        if wrong.any():
            row, column = (int(i) for i in np.unravel_index(int(wrong.argmax()), wrong.shape))
            raise DataError(
                f"{source}: instance {int(numbers[row, column])} at row {row}, column {column} "
                f"({int(wrong.sum())} "
                f"such pixels); expected 0..{len(self._table) - 2} or {MISSING} (missing). Is this "
                "semantic/, "
                "not semantic_pretty/, and semantic_labels.json of the same release?"
            )
        return ids


def room_of(name: str) -> str:
    """Return the room of an image, with its area: `area_5a/office_12`."""
    match = re.search(r"^(area_\w+?)_camera_[^_]+_(.+)_frame_", name)
    return f"{match[1]}/{match[2]}" if match else name


def _checked(areas: Mapping[str, Sequence[str | int]]) -> dict[str, tuple[str, ...]]:
    chosen = {name: tuple(str(area) for area in areas.get(name, ())) for name in SPLITS}
    given = [area for items in chosen.values() for area in items]
    unknown = [area for area in given if area not in AREAS] + [name for name in areas if name not in SPLITS]
    if unknown or len(set(given)) < len(given):
        what = f"{unknown[0]!r} is none" if unknown else "one area is in two splits"
        raise RequestError(
            f"areas are {dict(areas)}: {what}; expected areas of {', '.join(AREAS)}, each in one of train, "
            "val and test."
        )
    return chosen


def _advice(chosen: Mapping[str, Sequence[str]]) -> str:
    asked = "; ".join(f"{name} has areas {', '.join(items) or 'none'}" for name, items in chosen.items())
    return f"As asked, {asked}: choose them with the option areas."


def _pairs(folder: Path, area: str) -> list[Pair]:
    """Pair the files of one area; it becomes part of the id, as rooms are numbered anew in each."""
    images = {path.name.removesuffix("_domain_rgb.png"): path for path in folder.glob("rgb/*_domain_rgb.png")}
    masks = {
        p.name.removesuffix("_domain_semantic.png"): p for p in folder.glob("semantic/*_domain_semantic.png")
    }
    return [
        Pair(
            f"area_{area}_{stem}",
            images.get(stem, folder / "rgb" / f"{stem}_domain_rgb.png"),
            masks.get(stem, folder / "semantic" / f"{stem}_domain_semantic.png"),
        )
        for stem in sorted(images.keys() | masks.keys())
    ]


def _labels_file(root: Path) -> Path:
    places = [root / "assets" / "semantic_labels.json", root / "semantic_labels.json"]
    return next((place for place in places if place.is_file()), places[0])


def _instance_table(path: Path) -> NDArray[np.uint8]:
    """Return the raw id of every instance number, and one number more that nobody has."""
    try:
        names = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: cannot be read ({error}); expected the list of instance names. It is in assets/ of "
            f"{ABOUT.homepage}."
        ) from error
    ids = {name: i for i, name in enumerate(LABELS.names)} | {"<UNK>": UNKNOWN_ID}
    classes = [str(name).partition("_")[0] for name in names]
    unknown = [name for name in classes if name not in ids]
    if unknown:
        raise DataError(f"{path}: unknown class {unknown[0]!r}; expected {', '.join(LABELS.names)} or <UNK>.")
    return np.array([ids[name] for name in classes] + [_NOBODY], dtype=np.uint8)
