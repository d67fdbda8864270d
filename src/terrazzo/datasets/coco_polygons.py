"""`coco-polygons`: instances in the JSON of COCO: polygons and run lengths, of COCO itself or of your own.

Classes: the categories by id, after the background. COCO has 80; its other pixels are stuff, here background.

Format: images, categories and annotations; a segmentation is a list of polygons (parts of one object), or run
lengths down the columns, as a list or squeezed into text. `iscrowd` regions are coarse, lie below all others,
and are their class, or void with `crowd=void`. Smaller objects lie on top of larger ones: the file has no
order of depth.

Split: instances_{train,val,test}{year}.json, Roboflow's folders, else drawn by `fractions`.
Group: by `group_pattern`; COCO's images are independent.

Licence: annotations CC BY 4.0; the images have Flickr's terms. Citation: Lin, Maire, Belongie, Hays, Perona,
Ramanan, Dollar, Zitnick: Microsoft COCO, ECCV 2014.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from terrazzo.core.errors import DataError
from terrazzo.datasets.about import About
from terrazzo.datasets.coco_files import Source, find_image, find_sources, read_coco, reconcile
from terrazzo.datasets.drawn import DrawnDataset, Order, Picture, Region, Survey
from terrazzo.datasets.names import Classes
from terrazzo.datasets.polygons import Patch, fill, placed, ring_of, union
from terrazzo.datasets.runs import coco_counts, expand

ABOUT = About(
    name="coco-polygons",
    title="COCO instances 2017, or your own polygons in its format",
    homepage="https://cocodataset.org/#download",
    licence="Annotations CC BY 4.0; the images have Flickr's terms of use.",
    citation="Lin et al.: Microsoft COCO: Common Objects in Context, ECCV 2014.",
    splits={"train": 118287, "val": 5000},
    layout=(
        "annotations/instances_train2017.json",
        "annotations/instances_val2017.json",
        "train2017/000000000009.jpg",
        "val2017/000000000139.jpg",
    ),
)

CROWD_VOID = "iscrowd"
"""The name under which crowds are void; no category may have it."""


class CocoPolygons(DrawnDataset):
    """Images with instances in COCO's JSON."""

    kind = "coco-polygons"
    order = "area"

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        *,
        year: int | None = None,
        crowd: Literal["class", "void"] = "class",
        classes: Classes = None,
        background: str | None = "background",
        void: Sequence[str] = (),
        order: Order | None = None,
        fractions: Sequence[float] | None = None,
        seed: int = 0,
        group_pattern: str | None = None,
        cache: bool = False,
    ) -> None:
        """Find the images of a split and check them.

        Args:
            root: the folder that holds annotations/.
            split: train, val, test or all.
            year: of the annotation files, where there are several.
            crowd: whether an `iscrowd` region is its class or void.
            classes: as in `DrawnDataset`, like the options that follow.
            background: the class of pixels outside every object; null makes them void.
            void: categories that count for nothing.
            order: `area` (smaller objects on top) by default; `file`.
            fractions: shares of train, val and test where the files are not divided.
            seed: the draw of that division.
            group_pattern: regular expression on the id whose first group is the scene or video.
            cache: keep decoded samples in memory.

        Raises:
            DataError, ConfigError, RequestError: as `DrawnDataset`.
        """
        self.year, self.crowd = year, crowd
        super().__init__(
            root,
            split,
            classes=classes,
            background=background,
            void=(*void, CROWD_VOID),
            order=order,
            fractions=fractions,
            seed=seed,
            group_pattern=group_pattern,
            cache=cache,
        )

    def survey(self, root: Path) -> Survey:
        """Read all annotation files."""
        sources = find_sources(root, "instances", self.year)
        names = {number: str(category["name"]) for number, category in reconcile(sources).items()}
        pictures: list[Picture] = []
        for source in sources:
            pictures += _pictures(root, source, names)
        return Survey(tuple(pictures), tuple(names.values()), {})

    def regions(self, picture: Picture, size: tuple[int, int]) -> Iterator[Region]:
        """Yield the objects; crowds lie below all others."""
        for label, segmentation, crowd, number in picture.shapes:
            patch = _patch(segmentation, size, f"{picture.source}, annotation {number}")
            name = CROWD_VOID if crowd and self.crowd == "void" else label
            yield Region(name, patch, level=-1 if crowd else 0)


def _pictures(root: Path, source: Source, names: dict[int, str]) -> Iterator[Picture]:
    data = read_coco(source.json)
    shapes: dict[int, list[tuple[str, Any, bool, Any]]] = defaultdict(list)
    known = {image["id"] for image in data["images"]}
    for annotation in data["annotations"]:
        number, image, category = (annotation.get(key) for key in ("id", "image_id", "category_id"))
        if image not in known or category not in names:
            what = f"image {image!r}" if image not in known else f"category {category!r}"
            raise DataError(
                f"{source.json}: annotation {number} is of {what}, which the file does not list. "
                "Add it there, or remove the annotation."
            )
        crowd = bool(annotation.get("iscrowd"))
        shapes[image].append((names[category], annotation.get("segmentation"), crowd, number))
    for image in data["images"]:
        name = str(image["file_name"])
        yield Picture(
            id=Path(name).stem,
            image=find_image(root, source, name),
            annotation=source.json,
            source=f"{source.json}, image {name}",
            size=(int(image["height"]), int(image["width"])),
            split=source.split,
            shapes=tuple(shapes.get(image["id"], ())),
        )


def _patch(segmentation: Any, size: tuple[int, int], source: str) -> Patch:
    if isinstance(segmentation, dict) and "counts" in segmentation:
        counts, given = segmentation["counts"], tuple(segmentation.get("size", size))
        if given != size:
            raise DataError(f"{source}: run lengths for {given}, but the image is {size} (height, width).")
        runs = coco_counts(counts, source) if isinstance(counts, str) else counts
        return placed(expand(runs, size, along="columns", source=source), 0, 0, size, source)
    if isinstance(segmentation, list) and segmentation:
        return union([fill([ring_of(part, source)], size) for part in segmentation], size)
    raise DataError(
        f"{source}: a segmentation of {str(segmentation)[:60]}; expected polygons or run lengths. "
        "A box alone does not say which pixels are the object."
    )
