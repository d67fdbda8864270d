"""`voc`: PASCAL VOC 2007 and 2012, photos of twenty kinds of objects.

Classes: background and 20 objects; the border of objects, 255, is void.
Files: JPEG images of about 500 x 375; masks as palette PNG, whose indices are the ids. (Read as pictures they
would give colours, and read as grey other numbers; neither happens here.)
Split: train, val and trainval by the lists in ImageSets/Segmentation, and test of 2007; the masks of 2012's
test are not public. With the option aug, train of 2012 grows to 10582 images by the masks of SBD (see `sbd`).
Group: none; the images are single photos.
Licence: annotations for research; photos under the terms of Flickr.
Citation: Everingham, Van Gool, Williams, Winn, Zisserman: The PASCAL Visual Object Classes Challenge, IJCV
2010.
"""

from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from terrazzo.core.errors import DataError
from terrazzo.core.images import read_image
from terrazzo.datasets.about import About
from terrazzo.datasets.base import SPLITS, PairDataset, check_split, count_notes, refuse_empty, wanted_splits
from terrazzo.datasets.downloads import downloading
from terrazzo.datasets.layouts import listed_stems
from terrazzo.datasets.pairing import Pair, files_by_stem, pair_by_stem
from terrazzo.datasets.sbd import mat_pairs, read_mask_or_mat, sbd_folder
from terrazzo.datasets.voc_labels import LABELS

Year = Literal[2007, 2012]


def download(root: Path, year: Year = 2012) -> None:
    """Fetch train and val (2012: 2 GB), of 2007 test too, by torchvision; they lie in root/VOCdevkit then.

    Raises:
        TerrazzoError: it could not be fetched.
    """
    with downloading(ABOUT, root):
        from torchvision.datasets import VOCSegmentation

        for image_set in ("train",) if year == 2012 else ("train", "test"):
            VOCSegmentation(str(root), year=str(year), image_set=image_set, download=True)


PUBLISHED_COUNTS: dict[int, dict[str, int]] = {
    2007: {"train": 209, "val": 213, "trainval": 422, "test": 210},
    2012: {"train": 1464, "val": 1449, "trainval": 2913},
}
AUGMENTED = {"train": 10582, "val": 1449, "trainval": 10582 + 1449}

ABOUT = About(
    name="voc",
    title="PASCAL VOC 2012 (and 2007)",
    homepage="http://host.robots.ox.ac.uk/pascal/VOC/",
    licence="Annotations for research; photos under the terms of Flickr.",
    citation="Everingham et al.: The PASCAL Visual Object Classes Challenge, IJCV 2010",
    splits=PUBLISHED_COUNTS[2012],
    layout=(
        "VOCdevkit/VOC2012/JPEGImages/<id>.jpg",
        "VOCdevkit/VOC2012/SegmentationClass/<id>.png",
        "VOCdevkit/VOC2012/ImageSets/Segmentation/{train,val,trainval}.txt",
        "VOCdevkit/VOC2007/... likewise, with test",
        "for the option aug: SBD's folder, or VOC2012/SegmentationClassAug/<id>.png",
    ),
    download=download,
)


class Voc(PairDataset):
    """PASCAL VOC as the devkit's archives unpack."""

    kind = "voc"
    known_labels = LABELS
    further_splits = ("trainval",)

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        *,
        year: Year | None = None,
        masks: str = "SegmentationClass",
        aug: str | Path | None = None,
        cache: bool = False,
    ) -> None:
        """Find the pairs of a split and check them.

        Args:
            root: the folder of a year, VOCdevkit, or the folder that holds VOCdevkit.
            split: train, val, trainval, test or all (train, val and test, as far as there are masks).
            year: 2007 or 2012; the newest that is there.
            masks: the folder of masks; SegmentationClass, or another with the same names and ids.
            aug: more masks for train: SBD's folder, or a folder of PNG (also one of the year's own, as
                SegmentationClassAug). Images of val are left out, as is usual; VOC's own masks win.
            cache: keep decoded samples in memory (train: 1 GB).

        Raises:
            DataError: no such folder, list or split, or wrong pairs (all listed).
            RequestError: an unknown split.
        """
        check_split(split, self.further_splits)
        folder = _year_folder(Path(root), year)
        ids = {name: found for name in (*SPLITS, "trainval") if (found := _listed(folder, name, masks))}
        ids.setdefault("trainval", (*ids.get("train", ()), *ids.get("val", ())))
        more = _more_masks(folder, aug, ids) if aug is not None else []
        counts = {name: len(found) + len(more) * name.startswith("train") for name, found in ids.items()}
        refuse_empty(split, folder, counts, _NO_LIST)
        published = AUGMENTED if aug is not None else PUBLISHED_COUNTS.get(_year_of(folder), {})
        self.notes = count_notes(wanted_splits(split), counts, published)
        pairs = []
        for name in wanted_splits(split):
            pairs += pair_by_stem(folder / "JPEGImages", folder / masks, only=ids.get(name, ()))
            pairs += more if name.startswith("train") else []
        super().__init__(pairs, split=split, labels=LABELS, groups=[None] * len(pairs), cache=cache)

    def read(self, index: int) -> tuple[NDArray[Any], NDArray[Any], str]:
        """Read both files of a pair; SBD's masks are .mat files."""
        pair = self.pairs[index]
        return read_image(pair.image), read_mask_or_mat(pair.mask), str(pair.mask)


_NO_LIST = (
    "Expected its list in ImageSets/Segmentation, and masks for it: those of the test images of 2012 "
    "are not public."
)


def _year_folder(root: Path, year: Year | None) -> Path:
    """Return the folder of a year, found from it or from either folder above it.

    Raises:
        DataError: there is none.
    """
    own = [root] if year is None or _year_of(root) in {year, 0} else []
    years = (2012, 2007) if year is None else (year,)
    places = own + [above / f"VOC{y}" for y in years for above in (root, root / "VOCdevkit")]
    for folder in places:
        if (folder / "JPEGImages").is_dir():
            return folder
    raise DataError(
        f"{root}: no PASCAL VOC{f' {year}' if year else ''} here. Expected VOCdevkit/VOC2012 or VOC2007 with "
        "JPEGImages/, SegmentationClass/ and ImageSets/Segmentation/; give the folder that holds VOCdevkit."
    )


def _year_of(folder: Path) -> int:
    """Return the year in a folder's name, 0 where there is none."""
    digits = folder.resolve().name.removeprefix("VOC")
    return int(digits) if digits.isdigit() else 0


def _listed(folder: Path, split: str, masks: str) -> tuple[str, ...]:
    """Return the ids of a split's list; none where it is missing, or a test split without any mask."""
    file = folder / "ImageSets" / "Segmentation" / f"{split}.txt"
    ids = listed_stems(file, ()) if file.is_file() else ()
    if split == "test" and not any((folder / masks / f"{stem}.png").is_file() for stem in ids):
        return ()
    return ids


def _more_masks(folder: Path, aug: str | Path, ids: dict[str, tuple[str, ...]]) -> list[Pair]:
    """Return the pairs that `aug` adds to train: whatever it has, without VOC's own train and val.

    Raises:
        DataError: there is no such folder, or images are missing.
    """
    own = {*ids["trainval"], *ids.get("train", ()), *ids.get("val", ())}
    masks = folder / aug if (folder / aug).is_dir() else Path(aug)
    sbd = sbd_folder(masks)
    if sbd is not None:
        names = sorted(path.stem for path in (sbd / "cls").glob("*.mat"))
        return mat_pairs(folder / "JPEGImages", sbd / "cls", [name for name in names if name not in own])
    if not masks.is_dir():
        raise DataError(f"aug: {masks} is no folder; expected SBD's, which holds cls/, or one of PNG masks.")
    further = [name for name in files_by_stem(masks) if name not in own]
    return pair_by_stem(folder / "JPEGImages", masks, only=further)
