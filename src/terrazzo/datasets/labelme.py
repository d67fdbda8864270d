"""`labelme`: the JSON files that LabelMe writes beside the images.

Classes: the labels that were drawn, or those of `classes` (LabelMe's labels.txt, or a classes.json);
`__ignore__` is void, `_background_` or `background` is what nobody drew on.

Format: `a.json` beside `a.jpg`: imagePath, imageHeight, imageWidth, and shapes with label, shape_type and
points. polygon, rectangle, circle and mask have an area; lines and points have none and are an error unless
`skip` names them. Later shapes lie on top, as in LabelMe's own export: who annotates arranges the list so.

Split: sub-folders train/, val/ and test/, else drawn by `fractions`. Group: by `group_pattern`.

Licence: of your data. Citation: Wada: Labelme, image polygonal annotation with Python, 2018.
"""

import base64
import binascii
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from terrazzo.core.errors import DataError
from terrazzo.datasets.about import About
from terrazzo.datasets.division import split_named
from terrazzo.datasets.drawn import DrawnDataset, Picture, Region, Survey
from terrazzo.datasets.pairing import files_by_stem
from terrazzo.datasets.polygons import Patch, ellipse, fill, placed, rectangle, ring_of

ABOUT = About(
    name="labelme",
    title="LabelMe annotations",
    homepage="https://github.com/wkentaro/labelme",
    licence="That of your own images; LabelMe itself is GPL-3.",
    citation="Wada: Labelme: Image Polygonal Annotation with Python, 2018.",
    splits={},
    layout=("a.jpg", "a.json      as LabelMe saves it", "classes.json (or option classes=labels.txt)"),
)

KNOWN = ("polygon", "rectangle", "circle", "mask")


class LabelMe(DrawnDataset):
    """Images with a LabelMe JSON beside each."""

    kind = "labelme"

    def survey(self, root: Path) -> Survey:
        """Read every JSON once for its labels."""
        folders = [
            folder for folder in sorted(root.iterdir()) if folder.is_dir() and split_named(folder.name)
        ]
        pictures, names, notes = [], set[str](), []
        for folder in folders or [root]:
            stems = sorted(path.stem for path in folder.glob("*.json") if path.name != "classes.json")
            for stem in stems:
                path = folder / f"{stem}.json"
                data = _read(path)
                names |= {str(shape.get("label")) for shape in data["shapes"]}
                pictures.append(_picture(path, data, folder.name if folders else None))
            bare = sorted(set(files_by_stem(folder)) - {p.image.stem for p in pictures} - set(stems))
            if bare:
                notes.append(
                    f"{len(bare)} images have no annotation and are left out, the first is {bare[0]}"
                )
        if not pictures:
            raise DataError(
                f"{root}: no LabelMe annotation. Expected JSON files beside the images, also in train/, val/ "
                "and test/."
            )
        return Survey(tuple(pictures), tuple(sorted(names)), {}, tuple(notes))

    def regions(self, picture: Picture, size: tuple[int, int]) -> Iterator[Region]:
        """Yield the shapes in the order of the file."""
        for shape in _read(picture.annotation)["shapes"]:
            if shape.get("shape_type") not in self.skip:
                yield Region(str(shape.get("label")), self._patch(picture, shape, size))

    def _patch(self, picture: Picture, shape: dict[str, Any], size: tuple[int, int]) -> Patch:
        given = shape.get("shape_type") or "polygon"  # files of LabelMe 3 and before have none
        points, source = shape.get("points"), picture.source
        if given == "polygon":
            return fill([ring_of(points, source)], size)
        if given == "mask":
            return _mask(shape, size, source)
        if given not in KNOWN:
            raise self.unknown_shape(picture, str(given), KNOWN)
        try:
            (x0, y0), (x1, y1) = points  # type: ignore[misc]
        except (TypeError, ValueError):
            raise DataError(f"{source}: a {given} of points {str(points)[:60]}; expected two.") from None
        if given == "rectangle":
            return fill([rectangle(x0, y0, x1, y1)], size)
        radius = float(np.hypot(x1 - x0, y1 - y0))
        return ellipse((x0, y0), (radius, radius), size)


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error}). Save it again in LabelMe.") from error
    if not isinstance(data, dict) or not isinstance(data.get("shapes"), list):
        raise DataError(
            f"{path}: no LabelMe annotation; expected a list of shapes. Move other JSON files elsewhere."
        )
    return data


def _picture(path: Path, data: dict[str, Any], split: str | None) -> Picture:
    name = str(data.get("imagePath") or "").replace("\\", "/")
    image = path.parent / name
    if not name or not image.is_file():  # moved since: beside the JSON, by its name there or by the JSON's
        beside = [path.parent / Path(name).name] if name else []
        beside += files_by_stem(path.parent).get(path.stem, [])
        image = next((place for place in beside if place.is_file()), image)
    height, width = data.get("imageHeight"), data.get("imageWidth")
    size = (int(height), int(width)) if height and width else None
    return Picture(path.stem, image, path, str(path), size, split)


def _mask(shape: dict[str, Any], size: tuple[int, int], source: str) -> Patch:
    """Decode a mask: a PNG in base64, its upper left corner the first point."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(shape["mask"])), formats=("PNG",)) as image:
            inside = np.asarray(image) > 0
        left, top = (round(value) for value in shape["points"][0])
    except (KeyError, IndexError, TypeError, ValueError, OSError, binascii.Error) as error:
        raise DataError(f"{source}: a mask that cannot be read ({error}). Draw it again.") from error
    return placed(inside, top, left, size, source)
