"""Named protocols: what a result must satisfy to be quoted beside the published ones.

A name says which images at which size with which classes. How predictions were made (test-time augmentation,
tiles, members) is not part of a name, and is stated beside it: papers report both. Where several papers
mean different things by one dataset's name, each has its own name here.
"""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from terrazzo.datasets import kind_labels

if TYPE_CHECKING:
    from terrazzo.evaluate.protocol import Protocol


@dataclass(frozen=True)
class Standard:
    """What a named protocol asks for."""

    name: str
    kind: str
    """Of the dataset; its label map without options gives the classes."""

    split: str
    images: int
    """As published."""

    source: str
    """Who set it."""

    size: str | None = None
    """Height x width of every ground truth; None: as they come."""


STANDARDS: Final = (
    Standard(
        "camvid11-segnet-360x480",
        "camvid",
        "test",
        233,
        "Badrinarayanan, Kendall, Cipolla 2017: SegNet; the tutorial's copy and split, 11 classes",
        "360 x 480",
    ),
    Standard(
        "camvid11-segnet-360x480-val",
        "camvid",
        "val",
        101,
        "the validation images of the same copy: 6.7 seconds of one video, easier than test",
        "360 x 480",
    ),
    Standard(
        "camvid11-720x960",
        "camvid",
        "test",
        233,
        "the same split at the size of the original release, Brostow, Fauqueur, Cipolla 2009",
        "720 x 960",
    ),
    Standard(
        "cityscapes19-val",
        "cityscapes",
        "val",
        500,
        "Cordts et al. 2016; fine annotations, 19 classes",
        "1024 x 2048",
    ),
    Standard("voc21-val", "voc", "val", 1449, "Everingham et al. 2010; VOC 2012, 20 classes and background"),
    Standard("ade20k150-val", "ade20k", "val", 2000, "Zhou et al. 2017; scene parsing, 150 classes"),
    Standard("coco-stuff171-val", "coco-stuff", "val", 5000, "Caesar et al. 2018; val2017, 171 classes"),
    Standard(
        "kitti-road",
        "kitti-road",
        "all",
        289,
        "Fritsch, Kuehnl, Geiger 2013; the labelled images, in perspective. The server's scores are of 290 "
        "other images, in bird's-eye view",
    ),
)
"""Named protocols; of one kind the most quoted first."""


def differences(protocol: "Protocol", standard: Standard) -> list[str]:
    """Return what keeps a result from a name, in words; empty where it has it."""
    from terrazzo.evaluate.protocol import AVERAGING, RESOLUTION

    found = []
    if protocol.split != standard.split:
        found.append(f"the split is {protocol.split}, expected {standard.split}")
    elif protocol.images != standard.images:  # of another split the number differs anyway
        found.append(f"{protocol.images} images, expected {standard.images}")
    if protocol.classes != (wanted := _classes(standard.kind)):
        found.append(_other_classes(protocol.classes, wanted))
    if standard.size is not None and protocol.size != standard.size:
        found.append(f"the ground truth is {protocol.size or 'of unknown size'}, expected {standard.size}")
    if protocol.resolution != RESOLUTION:
        found.append(f"scored at {protocol.resolution}, expected {RESOLUTION}")
    if protocol.averaging != AVERAGING:
        found.append(f"averaged as {protocol.averaging}, expected {AVERAGING}")
    return found


def identify(protocol: "Protocol") -> tuple[str, str]:
    """Return the name of a result's protocol, and a sentence where it nearly has one.

    Nearly is: one thing differs. Either is empty where there is nothing to say.
    """
    candidates = [standard for standard in STANDARDS if standard.kind == protocol.data]
    for standard in candidates:
        if not differences(protocol, standard):
            return standard.name, ""
    for standard in candidates:
        if len(found := differences(protocol, standard)) == 1:
            return "", f"Not {standard.name}: {found[0]}."
    return "", ""


@cache
def _classes(kind: str) -> tuple[str, ...]:
    return kind_labels(kind).names


def _other_classes(have: tuple[str, ...], wanted: tuple[str, ...]) -> str:
    if len(have) != len(wanted):
        return f"{len(have)} classes, expected {len(wanted)}"
    if set(have) == set(wanted):
        return "the classes are in another order"
    odd = next(name for name in have if name not in wanted)
    return f"the classes have other names ({odd})"
