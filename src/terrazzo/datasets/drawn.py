"""What the datasets of annotation tools share: images, shapes drawn on them, and names on the shapes.

A format says which images there are (`survey`) and what was drawn on one (`regions`). Here the regions are
painted into a mask, one over the other, and everything that would lose a pixel is refused.
"""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import DataError
from terrazzo.core.images import image_size, read_image
from terrazzo.core.labels import RGB
from terrazzo.datasets.base import SegmentationDataset, check_split, refuse_empty, wanted_splits
from terrazzo.datasets.division import divide
from terrazzo.datasets.layouts import group_of
from terrazzo.datasets.names import Classes, choose_names
from terrazzo.datasets.pairing import Problems
from terrazzo.datasets.polygons import Patch

Order = Literal["file", "area"]
"""Which shape lies on top: the later one in the file, or the smaller one."""


class Region(NamedTuple):
    """One drawn shape."""

    label: str
    patch: Patch
    level: int = 0
    """Higher levels lie on top of lower ones, whatever the order."""


@dataclass(frozen=True)
class Picture:
    """One annotated image; a format adds what it needs to find its shapes."""

    id: str
    image: Path
    annotation: Path
    """The file that says what was drawn."""

    source: str
    """What to call the annotation in a message: that file, and which part of it."""

    size: tuple[int, int] | None
    """(H, W) that the annotation is made for, where it says so."""

    split: str | None = None
    """What the export calls its split."""

    shapes: Any = ()
    """The annotation as the format left it; may be read later instead."""


@dataclass(frozen=True)
class Survey:
    """What a format found."""

    pictures: tuple[Picture, ...]
    names: tuple[str, ...]
    """The labels that occur, or are declared, in the order of the classes."""

    colors: dict[str, RGB]
    notes: tuple[str, ...] = ()


class DrawnDataset(SegmentationDataset):
    """A dataset of images with named shapes."""

    order: Order = "file"
    """The format's own order."""

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        *,
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
            root: the folder of the export.
            split: train, val, test or all.
            classes: a classes.json, a text file with a name a line, or a label map; root/classes.json
                otherwise, and without one the names that occur.
            background: the class of pixels that nobody drew on; null makes them void.
            void: labels that count for nothing.
            order: `file`: later shapes lie on top; `area`: smaller ones do. The format's own by default.
            skip: types of shapes that are left out on purpose (points, lines).
            fractions: shares of train, val and test where the export is not divided; 0.8, 0.1, 0.1.
            seed: the draw of that division.
            group_pattern: regular expression on the id whose first group is the scene or video.
            cache: keep decoded samples in memory.

        Raises:
            DataError: no such export, an image is missing or of another size, or an empty split.
            ConfigError: the classes are missing or wrong.
            RequestError: an unknown split, or fractions for an export that is divided already.
        """
        check_split(split)
        root = Path(root)
        if not root.is_dir():
            raise DataError(f"{root}: there is no such folder. Give the folder of the export.")
        self.skip = frozenset(skip)
        self.order = order or type(self).order
        survey = self.survey(root)
        self.names = choose_names(
            survey.names, classes=classes, background=background, void=void, root=root, colors=survey.colors
        )
        groups = [group_of(picture.id, group_pattern) for picture in survey.pictures]
        blocks = [group or picture.id for group, picture in zip(groups, survey.pictures, strict=True)]
        places, notes = divide(
            [p.split for p in survey.pictures], blocks, fractions=fractions, seed=seed, root=root
        )
        refuse_empty(split, root, {name: len(items) for name, items in places.items()})
        chosen = [i for name in wanted_splits(split) for i in places[name]]
        self.pictures = tuple(survey.pictures[i] for i in chosen)
        _check(self.pictures, root)
        self.notes = (*survey.notes, *notes, self.names.note)
        super().__init__(
            split=split,
            labels=self.names.labels,
            ids=[picture.id for picture in self.pictures],
            groups=[groups[i] for i in chosen],
            in_channels=read_image(self.pictures[0].image).shape[2],
            cache=cache,
        )

    @abstractmethod
    def survey(self, root: Path) -> Survey:
        """Find images and labels, of all splits. May use `self.skip`."""

    @abstractmethod
    def regions(self, picture: Picture, size: tuple[int, int]) -> Iterable[Region]:
        """Return what was drawn on an image of (H, W), in the order of the file."""

    def read(self, index: int) -> tuple[NDArray[Any], NDArray[Any], str]:
        """Read the image and paint its mask."""
        picture = self.pictures[index]
        image = read_image(picture.image)
        height, width = image.shape[:2]
        canvas = np.full((height, width), self.names.background_id, dtype=np.uint16)
        by_area = self.order == "area"
        regions = self.regions(picture, (height, width))
        for region in sorted(regions, key=lambda r: (r.level, -r.patch.area if by_area else 0)):
            region.patch.stamp(canvas, self.names.raw_id(region.label, picture.source))
        return image, canvas, picture.source

    def files(self, index: int) -> tuple[Path, ...]:
        """Return the files that a sample is read from."""
        return self.pictures[index].image, self.pictures[index].annotation

    def unknown_shape(self, picture: Picture, given: str, known: Sequence[str]) -> DataError:
        """Build the error for a type of shape that has no area here."""
        return DataError(
            f"{picture.source}: a shape of type {given!r}; expected one with an area: {', '.join(known)}. "
            f"Draw it as a polygon, or leave such shapes out on purpose with the option skip=[{given}]."
        )


def _check(pictures: Sequence[Picture], root: Path) -> None:
    """Refuse missing, unreadable and differently sized images, and ids that come twice, all together."""
    problems, seen = Problems(), set[str]()
    for picture in pictures:
        if picture.id in seen:
            problems.add("two images of one id", picture.id)
        seen.add(picture.id)
        try:
            size = image_size(picture.image)
        except DataError as error:
            problems.add("missing or unreadable", str(error))
            continue
        if picture.size is not None and size != picture.size:
            problems.add(
                "image of another size than its annotation (height x width)",
                f"{picture.image.name}: image {size[0]} x {size[1]}, "
                f"annotation {picture.size[0]} x {picture.size[1]}",
            )
    problems.raise_if_any(str(root), len(pictures))
