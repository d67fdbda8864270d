"""`kitti-road`: road, or the car's own lane, on 289 street scenes from around Karlsruhe.

Classes: other and road (or lane). Pixels that are not judged, painted black, are void.
Files: RGB PNG images of about 1242 x 375; masks as RGB PNG, red = other, magenta = road or lane.
The names say the kind of street: um (marked, two lanes), umm (marked, several lanes), uu (unmarked); an image
um_000000.png has the masks um_road_000000.png and um_lane_000000.png. Lanes are labelled on um only.
Split: none is published; drawn here, see `kitti`. Group: a block of ten consecutive numbers.
Licence: CC BY-NC-SA 3.0.
Citation: Fritsch, Kuehnl, Geiger: A New Performance Measure and Evaluation Benchmark for Road Detection
Algorithms, ITSC 2013.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from terrazzo.core.labels import LabelClass, LabelMap
from terrazzo.datasets.about import About
from terrazzo.datasets.base import PairDataset, check_split, count_notes
from terrazzo.datasets.kitti import FRACTIONS, block_of, drawn, drawn_note, training_folder
from terrazzo.datasets.pairing import files_by_stem, pair_files, refuse_names

Task = Literal["road", "lane"]

ABOUT = About(
    name="kitti-road",
    title="KITTI road and lane estimation (2013)",
    homepage="https://www.cvlibs.net/datasets/kitti/eval_road.php",
    licence="CC BY-NC-SA 3.0: non-commercial, shared alike.",
    citation=(
        "Fritsch, Kuehnl, Geiger: A New Performance Measure and Evaluation Benchmark for Road Detection "
        "Algorithms, ITSC 2013"
    ),
    splits={"all": 289},
    layout=(
        "training/image_2/{um,umm,uu}_<number>.png",
        "training/gt_image_2/{um,umm,uu}_road_<number>.png and um_lane_<number>.png",
    ),
)

PUBLISHED_COUNTS = {"road": 289, "lane": 95}
_NAME = re.compile(r"(umm?|uu)_(\d+)")
_MASK = re.compile(r"(umm?|uu)_(road|lane)_(\d+)")


def road_labels(task: Task) -> LabelMap:
    """Return the two classes of a task; ids 0 and 1, and 255 undeclared, for the files hold colours."""
    other, ours = LabelClass("other", (255, 0, 0), (0,)), LabelClass(task, (255, 0, 255), (1,))
    return LabelMap((other, ours), void_ids=(), void_colors=((0, 0, 0),))


class KittiRoad(PairDataset):
    """KITTI's road benchmark as its archive unpacks: training/image_2 beside training/gt_image_2."""

    kind = "kitti-road"
    known_labels = road_labels("road")

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        *,
        task: Task = "road",
        fractions: Sequence[float] = FRACTIONS,
        seed: int = 0,
        cache: bool = False,
    ) -> None:
        """Find the pairs of a split and check them.

        Args:
            root: the folder with training/, or one that holds it as data_road/.
            split: train, val, test or all, drawn from the labelled images.
            task: road, or lane (um images only).
            fractions: shares of train, val and test; 0.8, 0.2 and 0.
            seed: the draw of that division.
            cache: keep decoded samples in memory (all: 540 MB).

        Raises:
            DataError: no such folder, an empty split, a name that is none of KITTI's, or wrong pairs.
            RequestError: an unknown split, or fractions that are not three shares.
        """
        check_split(split)
        folder = training_folder(Path(root), "data_road", "gt_image_2")
        images, masks = _images(folder / "image_2", task), _masks(folder / "gt_image_2", task)
        whole = pair_files(images, masks, where=f"{folder / 'image_2'} and {folder / 'gt_image_2'} ({task})")
        blocks = [block_of(f"{(name := pair.id.split('_'))[0]}_", int(name[1])) for pair in whole]
        pairs, groups = drawn(whole, blocks, split, fractions, seed, folder)
        self.notes = count_notes(["all"], {"all": len(whole)}, {"all": PUBLISHED_COUNTS[task]})
        self.notes += (drawn_note(fractions, seed),)
        super().__init__(pairs, split=split, labels=road_labels(task), groups=groups, cache=cache)


def _images(folder: Path, task: Task) -> dict[str, list[Path]]:
    """Return the images that a task has masks for, by id."""
    files = files_by_stem(folder)
    refuse_names(folder, files, _NAME, "{um,umm,uu}_<number>")
    return {name: paths for name, paths in files.items() if task == "road" or name.startswith("um_")}


def _masks(folder: Path, task: Task) -> dict[str, list[Path]]:
    """Return a task's masks by the id of their image."""
    files = files_by_stem(folder)
    refuse_names(folder, files, _MASK, "{um,umm,uu}_{road,lane}_<number>")
    return {name.replace(f"_{task}_", "_"): paths for name, paths in files.items() if f"_{task}_" in name}
