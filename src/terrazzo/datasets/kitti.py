"""What KITTI's road and semantic benchmarks share: where they lie, and a split where none was published.

The masks of the benchmarks' test images are not public, so train and val are drawn from the labelled images.
Neighbouring numbers show one street, so blocks of ten consecutive numbers stay together; which drive a frame
is from is not in the files.
"""

from collections.abc import Sequence
from pathlib import Path

from terrazzo.core.errors import DataError
from terrazzo.datasets.base import SPLITS, refuse_empty, wanted_splits
from terrazzo.datasets.layouts import split_by_fractions
from terrazzo.datasets.pairing import Pair

FRACTIONS = (0.8, 0.2, 0.0)
BLOCK = 10


def training_folder(root: Path, inner: str, masks: str) -> Path:
    """Return the folder of the labelled images, where `root` is that of the archive or holds it.

    Raises:
        DataError: training/image_2 and the folder of masks are not there.
    """
    root = root / inner if (root / inner).is_dir() else root
    training = root / "training"
    if not (training / "image_2").is_dir() or not (training / masks).is_dir():
        raise DataError(
            f"{root}: no {inner} here. Expected training/image_2 and training/{masks}, as KITTI's archive "
            "unpacks; give the folder that holds training/."
        )
    return training


def block_of(prefix: str, number: int) -> str:
    """Return the block of ten consecutive numbers that a frame is in: um_03 for um_000034."""
    return f"{prefix}{number // BLOCK:02d}"


def drawn(
    pairs: Sequence[Pair],
    groups: Sequence[str],
    split: str,
    fractions: Sequence[float],
    seed: int,
    root: Path,
) -> tuple[list[Pair], list[str]]:
    """Return the pairs of a split and their groups, by a division that keeps groups whole.

    Raises:
        DataError: the split is empty.
        RequestError: the fractions are not three shares that sum to 1.
    """
    places = split_by_fractions(groups, fractions, seed)
    counts = {name: len(places[name]) for name in SPLITS}
    advice = "No split is published: train, val and test are drawn by the option fractions."
    refuse_empty(split, root, counts, advice)
    chosen = [place for name in wanted_splits(split) for place in places[name]]
    return [pairs[place] for place in chosen], [groups[place] for place in chosen]


def drawn_note(fractions: Sequence[float], seed: int) -> str:
    """Return the note that says whose split this is."""
    return f"no published split: blocks of {BLOCK} frames divided {tuple(fractions)} by seed {seed}"
