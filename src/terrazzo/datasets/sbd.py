"""`sbd`: the Semantic Boundaries Dataset, more masks for the photos of PASCAL VOC 2011.

Classes: VOC's 21; no border is left out, so nothing is void.
Files: img/<id>.jpg, cls/<id>.mat (MATLAB 5, the ids in GTcls.Segmentation), train.txt and val.txt.
Split: its own, which is not VOC's: many images of VOC's val are in its train. To train on both and to score
on VOC's val, use `voc` with the option aug.
Group: none; the images are single photos.
Licence: annotations for research; photos under the terms of Flickr.
Citation: Hariharan, Arbelaez, Bourdev, Maji, Malik: Semantic Contours from Inverse Detectors, ICCV 2011.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import DataError
from terrazzo.core.images import read_image, read_mask
from terrazzo.datasets.about import About
from terrazzo.datasets.base import PairDataset, check_split, count_notes, refuse_empty, wanted_splits
from terrazzo.datasets.downloads import downloading
from terrazzo.datasets.layouts import listed_stems
from terrazzo.datasets.pairing import Pair, Problems
from terrazzo.datasets.voc_labels import LABELS


def download(root: Path) -> None:
    """Fetch the archive (1.4 GB) by torchvision and unpack it into a folder, as this dataset reads it.

    Raises:
        TerrazzoError: it could not be fetched.
    """
    with downloading(ABOUT, root):
        from torchvision.datasets import SBDataset

        SBDataset(str(root), image_set="train", mode="segmentation", download=True)


ABOUT = About(
    name="sbd",
    title="SBD, the Semantic Boundaries Dataset",
    homepage="http://home.bharathh.info/pubs/codes/SBD/download.html",
    licence="Annotations for research; photos under the terms of Flickr.",
    citation="Hariharan et al.: Semantic Contours from Inverse Detectors, ICCV 2011",
    splits={"train": 8498, "val": 2857},
    layout=("img/<id>.jpg", "cls/<id>.mat", "train.txt, val.txt"),
    download=download,
)

INNER = ("benchmark_RELEASE/dataset", "dataset", ".")


class Sbd(PairDataset):
    """SBD as its archive unpacks, or as torchvision lays it out."""

    kind = "sbd"
    known_labels = LABELS

    def __init__(self, root: str | Path, split: str = "train", *, cache: bool = False) -> None:
        """Find the pairs of a split.

        Args:
            root: the folder with img/ and cls/, or one that holds it as benchmark_RELEASE/dataset/.
            split: train, val or all.
            cache: keep decoded samples in memory (train: 6 GB).

        Raises:
            DataError: no such folder or split, or missing files (all listed).
            RequestError: an unknown split.
        """
        check_split(split)
        folder = sbd_folder(Path(root))
        if folder is None or not (folder / "img").is_dir():
            raise DataError(
                f"{root}: no SBD here. Expected img/, cls/, train.txt and val.txt, or them in "
                "benchmark_RELEASE/dataset/; give the folder that holds them."
            )
        lists = {name: folder / f"{name}.txt" for name in ABOUT.splits}
        ids = {name: listed_stems(file, ()) for name, file in lists.items() if file.is_file()}
        counts = {name: len(found) for name, found in ids.items()}
        refuse_empty(split, folder, counts, "SBD has train and val, each listed in a file of that name.")
        self.notes = count_notes(wanted_splits(split), counts, ABOUT.splits)
        self.notes += ("the split is not that of PASCAL VOC: train holds images of VOC's val",)
        wanted = [stem for name in wanted_splits(split) for stem in ids.get(name, ())]
        pairs = mat_pairs(folder / "img", folder / "cls", wanted)
        super().__init__(pairs, split=split, labels=LABELS, groups=[None] * len(pairs), cache=cache)

    def read(self, index: int) -> tuple[NDArray[Any], NDArray[Any], str]:
        """Read both files of a pair."""
        pair = self.pairs[index]
        return read_image(pair.image), read_mask_or_mat(pair.mask), str(pair.mask)


def sbd_folder(root: Path) -> Path | None:
    """Return the folder that holds cls/, in whichever way the archive was unpacked, or None."""
    return next((root / inner for inner in INNER if (root / inner / "cls").is_dir()), None)


def mat_pairs(images: Path, masks: Path, ids: Iterable[str]) -> list[Pair]:
    """Pair .jpg images with .mat masks by name, in the order of the ids; sizes are compared when read.

    Raises:
        DataError: every missing file.
    """
    pairs = [Pair(stem, images / f"{stem}.jpg", masks / f"{stem}.mat") for stem in ids]
    problems = Problems()
    for pair in pairs:
        for what, path in (("no image", pair.image), ("no mask", pair.mask)):
            if not path.is_file():
                problems.add(what, path.name)
    problems.raise_if_any(f"{images} and {masks}", len(pairs))
    return pairs


def read_mask_or_mat(path: Path) -> NDArray[Any]:
    """Read a mask as `read_mask`, or the ids (H, W) uint8 of one of SBD's .mat files.

    Raises:
        DataError: the file is missing, damaged or no mask.
    """
    if path.suffix.lower() != ".mat":
        return read_mask(path)
    from scipy.io import loadmat

    try:
        mask: NDArray[Any] = np.asarray(loadmat(path)["GTcls"][0]["Segmentation"][0])
    except Exception as error:  # scipy raises what its parser stumbles on: TypeError, KeyError, zlib.error
        raise DataError(
            f"{path}: not a mask of SBD ({error}); expected MATLAB 5 with GTcls.Segmentation. "
            "Copy or download it again."
        ) from error
    if mask.ndim != 2 or not np.issubdtype(mask.dtype, np.integer):
        raise DataError(f"{path}: GTcls.Segmentation is {mask.shape} {mask.dtype}; expected ids (H, W).")
    return mask
