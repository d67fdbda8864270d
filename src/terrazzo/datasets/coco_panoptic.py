"""`coco-panoptic`: a PNG of segment ids for each image, and a JSON that says what each segment is.

Classes: the categories of the JSON by id; COCO has 133: 80 things and 53 kinds of stuff. The lists of all
splits are reconciled: one id is one name everywhere.

Format: segment id = R + 256 G + 256^2 B of the PNG; 0 is void. `segments_info` gives each segment's category.
A segment of the PNG that the JSON does not have is an error, and so is one of the JSON without a pixel.
Crowds are of their class.

Split: panoptic_{train,val}{year}.json with a folder of PNGs of that name. Group: none: images are alone.

Licence: annotations CC BY 4.0; the images have Flickr's terms. Citation: Kirillov, He, Girshick, Rother,
Dollar: Panoptic Segmentation, CVPR 2019; Lin et al.: Microsoft COCO, ECCV 2014.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import DataError
from terrazzo.core.images import read_image, read_mask
from terrazzo.core.labels import LabelClass, LabelMap
from terrazzo.datasets.about import About
from terrazzo.datasets.base import PairDataset, check_split, refuse_empty, wanted_splits
from terrazzo.datasets.coco_files import Source, find_image, find_sources, read_coco, reconcile
from terrazzo.datasets.names import unlike_colors
from terrazzo.datasets.pairing import Pair, check_pairs

ABOUT = About(
    name="coco-panoptic",
    title="COCO panoptic 2017",
    homepage="https://cocodataset.org/#download",
    licence="Annotations CC BY 4.0; the images have Flickr's terms of use.",
    citation="Kirillov, He, Girshick, Rother, Dollar: Panoptic Segmentation, CVPR 2019.",
    splits={"train": 118287, "val": 5000},
    layout=(
        "annotations/panoptic_train2017.json",
        "annotations/panoptic_train2017/000000000009.png",
        "annotations/panoptic_val2017.json and its folder of PNGs",
        "train2017/000000000009.jpg",
        "val2017/000000000139.jpg",
    ),
)

VOID_ID = 0
"""The segment id of what nobody labelled."""


class CocoPanoptic(PairDataset):
    """Images with panoptic PNGs and their JSON, read as classes."""

    kind = "coco-panoptic"

    def __init__(
        self, root: str | Path, split: str = "train", *, year: int | None = None, cache: bool = False
    ) -> None:
        """Find the pairs of a split and check them.

        Args:
            root: the folder that holds annotations/ and the images' folders.
            split: train, val, test or all (those that are there).
            year: of the annotation files, where there are several.
            cache: keep decoded samples in memory.

        Raises:
            DataError: no such folder or split, wrong pairs, or categories that contradict each other.
            RequestError: an unknown split, or several annotation files for one.
        """
        check_split(split)
        root = Path(root)
        sources = {source.split: source for source in find_sources(root, "panoptic", year)}
        counts = {
            str(name): len(list(_folder(root, source).glob("*.png"))) for name, source in sources.items()
        }
        refuse_empty(split, root, counts)
        labels = label_map(reconcile(list(sources.values())))
        self._segments: list[dict[int, int]] = []
        self._lists: list[Path] = []
        pairs: list[Pair] = []
        for name in wanted_splits(split):
            if name in sources:
                self._add(root, sources[name], labels, pairs)
        check_pairs(pairs, root)
        super().__init__(pairs, split=split, labels=labels, groups=[None] * len(pairs), cache=cache)

    def read(self, index: int) -> tuple[NDArray[Any], NDArray[Any], str]:
        """Read both files and look the segments up."""
        pair = self.pairs[index]
        return read_image(pair.image), self._categories(index, read_mask(pair.mask)), str(pair.mask)

    def files(self, index: int) -> tuple[Path, ...]:
        """Return the files that a sample is read from, the JSON among them."""
        return self.pairs[index].image, self.pairs[index].mask, self._lists[index]

    def _add(self, root: Path, source: Source, labels: LabelMap, pairs: list[Pair]) -> None:
        data = read_coco(source.json)
        files = {image["id"]: str(image["file_name"]) for image in data["images"]}
        folder = _folder(root, source)
        known = {i for c in labels.classes for i in c.raw_ids}
        for annotation in data["annotations"]:
            number = annotation.get("image_id")
            if number not in files:
                raise DataError(
                    f"{source.json}: {annotation.get('file_name')} is of image {number!r}, which the file "
                    "does not list."
                )
            segments = {int(s["id"]): int(s["category_id"]) for s in annotation["segments_info"]}
            wrong = sorted(set(segments.values()) - known)
            if wrong:
                raise DataError(
                    f"{source.json}: {annotation['file_name']} has a segment of category {wrong[0]}, which "
                    "the "
                    "file does not list. Add it to its categories, or repair the segment."
                )
            mask = folder / str(annotation["file_name"])
            pairs.append(Pair(mask.stem, find_image(root, source, files[number]), mask))
            self._segments.append(segments)
            self._lists.append(source.json)

    def _categories(self, index: int, colors: NDArray[Any]) -> NDArray[np.uint16]:
        """Turn segment colours (H, W, 3) into category ids (H, W)."""
        source, segments = self.pairs[index].mask, self._segments[index]
        if colors.ndim != 3:
            raise DataError(f"{source}: {colors.shape} ids; expected RGB, in which COCO writes segment ids.")
        ids = colors.astype(np.int32) @ np.array([1, 256, 65536], dtype=np.int32)
        found, place = np.unique(ids, return_inverse=True)
        unknown = [int(i) for i in found if i != VOID_ID and int(i) not in segments]
        if unknown:
            pixels = int((ids == unknown[0]).sum())
            raise DataError(
                f"{source}: segment {unknown[0]} ({pixels} pixels) is not in the JSON, nor are "
                f"{len(unknown) - 1} others; expected every segment in segments_info. Do PNG and JSON belong "
                "together?"
            )
        missing = sorted(set(segments) - set(found.tolist()))
        if missing:
            raise DataError(
                f"{source}: segment {missing[0]} of the JSON has no pixel; expected one at least. "
                "Do PNG and JSON belong together?"
            )
        void = self.labels.void_ids[0]
        table = np.array([segments.get(int(i), void) for i in found], dtype=np.uint16)
        return table[place.reshape(ids.shape)]


def label_map(categories: dict[int, dict[str, Any]]) -> LabelMap:
    """Return the label map of categories by id; two of one colour get different ones."""
    names = [str(category["name"]) for category in categories.values()]
    given = {str(c["name"]): tuple(c["color"]) for c in categories.values() if c.get("color")}
    colors = unlike_colors(names, given)
    classes = zip(names, colors, categories, strict=True)
    void = VOID_ID if VOID_ID not in categories else 65535
    return LabelMap(tuple(LabelClass(name, color, (i,)) for name, color, i in classes), (void,))


def _folder(root: Path, source: Source) -> Path:
    places = [source.json.with_suffix(""), root / source.json.stem, source.json.parent]
    return next((place for place in places if place.is_dir()), places[0])
