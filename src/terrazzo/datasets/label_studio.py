"""`label-studio`: its JSON export with brushes and polygons, or its brush PNGs.

Classes: the labels that were drawn, or those of `classes`; pixels that nobody drew on are the background.

Format: the JSON export (not JSON-MIN): one task an image, its annotation a list of results. polygonlabels,
rectanglelabels and ellipselabels are in per cent of the image; brushlabels are bits (see `runs.py`). With
`brushes=png` the strokes come from the export "brush labels to PNG" beside the JSON instead:
task-1-annotation-2-by-3-tag-Car-0.png. Later results lie on top. Key points have no area and are an error
unless `skip` names them (`keypointlabels`); choices and texts are of the whole image and passed over.
A task with two annotations is an error unless `annotation` says which; one without is left out, with a note.

Split: drawn by `fractions`. Group: by `group_pattern`.

Licence: of your data. Citation: Tkachenko et al.: Label Studio: Data labeling software, 2020-2025.
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from terrazzo.core.errors import DataError
from terrazzo.core.images import read_mask
from terrazzo.datasets.about import About
from terrazzo.datasets.drawn import DrawnDataset, Order, Picture, Region, Survey
from terrazzo.datasets.names import Classes
from terrazzo.datasets.polygons import Patch, ellipse, fill, placed, rectangle, ring_of
from terrazzo.datasets.runs import label_studio_mask

ABOUT = About(
    name="label-studio",
    title="Label Studio annotations, JSON export",
    homepage="https://labelstud.io/guide/export",
    licence="That of your own images; Label Studio itself is Apache-2.0.",
    citation="Tkachenko, Malyuk, Holmanyuk, Liubimov: Label Studio: Data labeling software, 2020-2025.",
    splits={},
    layout=(
        "project-1-at-2025-01-01.json     (any name)",
        "images/a.jpg                     (or beside the JSON)",
        "task-1-annotation-2-by-3-tag-Car-0.png   (only with brushes=png; may be in a sub-folder)",
    ),
)

KNOWN = ("polygonlabels", "rectanglelabels", "ellipselabels", "brushlabels")
OF_THE_IMAGE = ("choices", "textarea", "taxonomy", "rating", "number", "datetime", "pairwise", "relation")
"""Results that say something of the whole image, or link others: they have no pixels to lose."""

_PNG = re.compile(
    r"task-(?P<task>\d+)-annotation-(?P<annotation>\d+)-by-.*?-tag-(?P<label>.+)-(?P<number>\d+)$"
)


class LabelStudio(DrawnDataset):
    """Images with Label Studio's JSON."""

    kind = "label-studio"

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        *,
        annotation: Literal["only", "first", "last"] = "only",
        brushes: Literal["json", "png"] = "json",
        classes: Classes = None,
        background: str | None = "background",
        void: Sequence[str] = (),
        order: Order | None = None,
        skip: Sequence[str] = (),
        fractions: Sequence[float] | None = None,
        seed: int = 0,
        group_pattern: str | None = None,
        cache: bool = False,
    ) -> None:
        """Find the images of a split and check them.

        Args:
            root: the folder that holds the JSON.
            split: train, val, test or all.
            annotation: which one counts where a task has several; `only` refuses that.
            brushes: where brush strokes are read from.
            classes: as in `DrawnDataset`, like the options that follow.
            background: the class of pixels that nobody drew on; null makes them void.
            void: labels that count for nothing.
            order: `file` (later results on top) by default; `area`.
            skip: types of results that are left out on purpose.
            fractions: shares of train, val and test; 0.8, 0.1, 0.1.
            seed: the draw of that division.
            group_pattern: regular expression on the id whose first group is the scene or video.
            cache: keep decoded samples in memory.

        Raises:
            DataError, ConfigError, RequestError: as `DrawnDataset`.
        """
        self.annotation, self.brushes = annotation, brushes
        super().__init__(
            root,
            split,
            classes=classes,
            background=background,
            void=void,
            order=order,
            skip=skip,
            fractions=fractions,
            seed=seed,
            group_pattern=group_pattern,
            cache=cache,
        )

    def survey(self, root: Path) -> Survey:
        """Read the JSON, and list the PNGs where they count."""
        path, tasks = _read(root)
        pictures, bare = [], 0
        for task in tasks:
            annotation = self._choose(task, path)
            if annotation is None:
                bare += 1
                continue
            results = [r for r in annotation.get("result", ()) if r.get("type") not in OF_THE_IMAGE]
            if self.brushes == "png":
                results = [r for r in results if r.get("type") != "brushlabels"]
                results += _painted(root, task.get("id"), annotation.get("id"))
            pictures.append(_picture(root, path, task, [_slim(result) for result in results]))
        names = sorted({label for picture in pictures for *_, label in map(_facts, picture.shapes)})
        notes = (f"{bare} tasks have no annotation and are left out",) if bare else ()
        return Survey(tuple(pictures), tuple(names), {}, notes)

    def regions(self, picture: Picture, size: tuple[int, int]) -> Iterator[Region]:
        """Yield the results in the order of the file."""
        for shape in picture.shapes:
            kind, value, label = _facts(shape)
            if kind in self.skip:
                continue
            if isinstance(value, Path):
                inside = read_mask(value) > 0
                yield Region(label, placed(inside, 0, 0, size, str(value)))
            elif kind in KNOWN:
                yield Region(label, _patch(kind, value, size, picture.source))
            else:
                raise self.unknown_shape(picture, kind, KNOWN)

    def files(self, index: int) -> tuple[Path, ...]:
        """Return the files that a sample is read from, brushes among them."""
        brushes = (shape for shape in self.pictures[index].shapes if isinstance(shape, Path))
        return (*super().files(index), *brushes)

    def _choose(self, task: dict[str, Any], path: Path) -> dict[str, Any] | None:
        given = [a for a in task.get("annotations", ()) if not a.get("was_cancelled")]
        if len(given) > 1 and self.annotation == "only":
            raise DataError(
                f"{path}, task {task.get('id')}: {len(given)} annotations; expected one. Delete the others "
                "there, or "
                "choose with the option annotation=first or annotation=last."
            )
        return given[0 if self.annotation == "first" else -1] if given else None


def _read(root: Path) -> tuple[Path, list[dict[str, Any]]]:
    files = [path for path in sorted(root.glob("*.json")) if path.name != "classes.json"]
    if len(files) != 1:
        raise DataError(
            f"{root}: {len(files)} JSON files; expected one, the export 'JSON' of a project. "
            "Put each export into a folder of its own."
        )
    try:
        tasks = json.loads(files[0].read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{files[0]}: cannot be read as JSON ({error}). Export it again.") from error
    if not isinstance(tasks, list) or not all(
        isinstance(t, dict) and "annotations" in t and "data" in t for t in tasks
    ):
        raise DataError(
            f"{files[0]}: no list of tasks with data and annotations. Export as 'JSON', not 'JSON-MIN'."
        )
    return files[0], tasks


def _picture(root: Path, path: Path, task: dict[str, Any], shapes: list[Any]) -> Picture:
    address = next((str(v) for v in task["data"].values() if isinstance(v, str)), "")
    sizes = {(s["original_height"], s["original_width"]) for s in shapes if isinstance(s, dict)}
    source = f"{path}, task {task.get('id')}"
    if len(sizes) > 1 or any(isinstance(s, dict) and s.get("image_rotation") for s in shapes):
        raise DataError(
            f"{source}: results for {len(sizes)} sizes or a turned image; expected one, upright. Save the "
            "image as it is to be seen."
        )
    image = _find(root, address)
    return Picture(image.stem, image, path, source, next(iter(sizes), None), None, tuple(shapes))


def _find(root: Path, address: str) -> Path:
    """Return the image that a task's address means: by its name, without the prefix that an upload gets."""
    parts = urlsplit(address)
    name = Path(unquote(parse_qs(parts.query).get("d", [parts.path])[0])).name
    plain = re.sub(r"^[0-9a-f]{8}-", "", name)
    places = [folder / n for n in (name, plain) for folder in (root / "images", root)]
    return next((place for place in places if place.is_file()), root / "images" / name)


def _slim(result: Any) -> Any:
    """Keep what is drawn from; a brush's numbers as bytes, which are an eighth as large."""
    if isinstance(result, Path):
        return result
    kept = {key: result.get(key) for key in ("type", "original_width", "original_height", "image_rotation")}
    value = dict(result.get("value", {}))
    if isinstance(value.get("rle"), list):
        value["rle"] = bytes(value["rle"])
    return kept | {"value": value}


def _facts(shape: Any) -> tuple[str, Any, str]:
    """Return type, value and label of a result, or of a PNG by its name."""
    if isinstance(shape, Path):
        match = _PNG.match(shape.stem)
        return "brushlabels", shape, match["label"] if match else ""
    kind, value = str(shape["type"]), shape["value"]
    return kind, value, str((value.get(kind) or [""])[0])


def _painted(root: Path, task: Any, annotation: Any) -> list[Path]:
    found = [(match, path) for path in root.rglob("task-*.png") if (match := _PNG.match(path.stem))]
    mine = [
        (int(m["number"]), p)
        for m, p in found
        if (m["task"], m["annotation"]) == (str(task), str(annotation))
    ]
    return [path for _, path in sorted(mine)]


def _patch(kind: str, value: dict[str, Any], size: tuple[int, int], source: str) -> Patch:
    height, width = size[0] / 100, size[1] / 100  # numbers are per cent
    try:
        if kind == "polygonlabels":
            return fill([ring_of([(x * width, y * height) for x, y in value["points"]], source)], size)
        if kind == "brushlabels":
            return placed(label_studio_mask(value["rle"], size, source), 0, 0, size, source)
        x, y, turned = value["x"] * width, value["y"] * height, float(value.get("rotation", 0))
        if kind == "ellipselabels":
            return ellipse((x, y), (value["radiusX"] * width, value["radiusY"] * height), size, turned)
        right, bottom = x + value["width"] * width, y + value["height"] * height
        return fill([rectangle(x, y, right, bottom, degrees=turned, around=(x, y))], size)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{source}: {kind} that cannot be read ({error}). Export it again.") from error
