"""`kitti-semantic`: KITTI's 200 street scenes of the 2018 pixel-level benchmark, in the labels of Cityscapes.

Classes: 19, or 7 categories, or road against the rest; see `cityscapes_labels`.
Files: RGB PNG images of about 1242 x 375; masks in semantic/ as 8-bit grey PNG of Cityscapes' raw ids.
Split: none is published; drawn here, see `kitti`. Group: a block of ten consecutive numbers.
Some copies hold images of another processing (1224 x 370 beside masks of 1242 x 375), in which moving objects
are off by more than ten pixels; they are refused for their size.
Licence: CC BY-NC-SA 3.0.
Citation: Alhaija, Mustikovela, Mescheder, Geiger, Rother: Augmented Reality Meets Computer Vision, IJCV 2018.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from terrazzo.datasets.about import About
from terrazzo.datasets.base import PairDataset, check_split, count_notes
from terrazzo.datasets.cityscapes_labels import Task, cityscapes_labels
from terrazzo.datasets.kitti import FRACTIONS, block_of, drawn, drawn_note, training_folder
from terrazzo.datasets.pairing import pair_by_stem, refuse_names

ABOUT = About(
    name="kitti-semantic",
    title="KITTI semantic segmentation (2018)",
    homepage="https://www.cvlibs.net/datasets/kitti/eval_semantics.php",
    licence="CC BY-NC-SA 3.0: non-commercial, shared alike.",
    citation="Alhaija et al.: Augmented Reality Meets Computer Vision, IJCV 2018",
    splits={"all": 200},
    layout=("training/image_2/<number>_10.png", "training/semantic/<number>_10.png"),
)

_NAME = re.compile(r"\d+_10")


class KittiSemantic(PairDataset):
    """KITTI's semantic benchmark as its archive unpacks: training/image_2 beside training/semantic."""

    kind = "kitti-semantic"
    known_labels = cityscapes_labels()

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        *,
        task: Task = "classes",
        fractions: Sequence[float] = FRACTIONS,
        seed: int = 0,
        cache: bool = False,
    ) -> None:
        """Find the pairs of a split and check them.

        Args:
            root: the folder with training/, or one that holds it as data_semantics/.
            split: train, val, test or all, drawn from the labelled images.
            task: classes (19), categories (7) or road (2).
            fractions: shares of train, val and test; 0.8, 0.2 and 0.
            seed: the draw of that division.
            cache: keep decoded samples in memory (all: 370 MB).

        Raises:
            DataError: no such folder, an empty split, a name that is none of KITTI's, or wrong pairs.
            RequestError: an unknown split, or fractions that are not three shares.
        """
        check_split(split)
        folder = training_folder(Path(root), "data_semantics", "semantic")
        whole = pair_by_stem(folder / "image_2", folder / "semantic")
        refuse_names(folder / "image_2", [pair.id for pair in whole], _NAME, "<number>_10")
        blocks = [block_of("", int(pair.id.split("_")[0])) for pair in whole]
        pairs, groups = drawn(whole, blocks, split, fractions, seed, folder)
        self.notes = count_notes(["all"], {"all": len(whole)}, ABOUT.splits)
        self.notes += (drawn_note(fractions, seed),)
        labels = cityscapes_labels(task)
        super().__init__(pairs, split=split, labels=labels, groups=groups, cache=cache)
