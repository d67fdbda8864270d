"""The labels of CamVid: 32 colours of the original release, and the 11 and 12 classes made of them.

The eleven were chosen by Sturgess, Alahari, Ladicky, Torr: Combining Appearance and Structure from Motion
Features, BMVC 2009; their order and ids are those of SegNet (Badrinarayanan, Kendall, Cipolla, PAMI 2017) and
its tutorial. Published tables of which of the 32 belong to which of the eleven differ in rare ones (animals,
traffic cones, markings outside the lane); this is the most usual.
"""

from functools import cache
from typing import Literal

from terrazzo.core.labels import RGB, LabelClass, LabelMap

Classes = Literal[11, 12, 32]
"""11 with void left out; 12, where Unlabelled is a class of its own; or all 32, where Void is one."""

LABELS = LabelMap.of(
    {
        "Sky": (128, 128, 128),
        "Building": (128, 0, 0),
        "Pole": (192, 192, 128),
        "Road": (128, 64, 128),
        "Pavement": (60, 40, 222),
        "Tree": (128, 128, 0),
        "SignSymbol": (192, 128, 128),
        "Fence": (64, 64, 128),
        "Car": (64, 0, 128),
        "Pedestrian": (64, 64, 0),
        "Bicyclist": (0, 128, 192),
    },
    void_ids=(11,),
)
"""Ids 0..10 as in the tutorial's masks; 11, Unlabelled, is void."""

UNLABELLED: RGB = (0, 0, 0)

COLOURS: dict[str, tuple[RGB, str]] = {
    "Animal": ((64, 128, 64), "Pedestrian"),
    "Archway": ((192, 0, 128), "Building"),
    "Bicyclist": ((0, 128, 192), "Bicyclist"),
    "Bridge": ((0, 128, 64), "Building"),
    "Building": ((128, 0, 0), "Building"),
    "Car": ((64, 0, 128), "Car"),
    "CartLuggagePram": ((64, 0, 192), "Pedestrian"),
    "Child": ((192, 128, 64), "Pedestrian"),
    "Column_Pole": ((192, 192, 128), "Pole"),
    "Fence": ((64, 64, 128), "Fence"),
    "LaneMkgsDriv": ((128, 0, 192), "Road"),
    "LaneMkgsNonDriv": ((192, 0, 64), "Road"),
    "Misc_Text": ((128, 128, 64), "SignSymbol"),
    "MotorcycleScooter": ((192, 0, 192), "Bicyclist"),
    "OtherMoving": ((128, 64, 64), "Car"),
    "ParkingBlock": ((64, 192, 128), "Pavement"),
    "Pedestrian": ((64, 64, 0), "Pedestrian"),
    "Road": ((128, 64, 128), "Road"),
    "RoadShoulder": ((128, 128, 192), "Pavement"),
    "Sidewalk": ((0, 0, 192), "Pavement"),
    "SignSymbol": ((192, 128, 128), "SignSymbol"),
    "Sky": ((128, 128, 128), "Sky"),
    "SUVPickupTruck": ((64, 128, 192), "Car"),
    "TrafficCone": ((0, 0, 64), "Pole"),
    "TrafficLight": ((0, 64, 64), "SignSymbol"),
    "Train": ((192, 64, 128), "Car"),
    "Tree": ((128, 128, 0), "Tree"),
    "Truck_Bus": ((192, 128, 192), "Car"),
    "Tunnel": ((64, 0, 64), "Building"),
    "VegetationMisc": ((192, 192, 0), "Tree"),
    "Void": (UNLABELLED, "Unlabelled"),
    "Wall": ((64, 192, 0), "Building"),
}
"""The original names in the order of its label_colors.txt: colour, and which of the eleven it belongs to."""


@cache
def camvid_labels(classes: Classes = 11, *, colours: bool = False) -> LabelMap:
    """Return what the masks mean.

    Args:
        classes: how many classes.
        colours: whether the masks are those of the original release, in 32 colours; 32 classes always are.
    """
    if classes == 32:
        return LabelMap.of({name: rgb for name, (rgb, _) in COLOURS.items()}, void_ids=())
    grouped = tuple(_with_colours(label) for label in LABELS.classes) if colours else LABELS.classes
    if classes == 12:
        return LabelMap((*grouped, LabelClass("Unlabelled", UNLABELLED, (11,))), void_ids=())
    return LabelMap(grouped, LABELS.void_ids, (UNLABELLED,)) if colours else LABELS


def _with_colours(label: LabelClass) -> LabelClass:
    """Add the original colours that a class of the eleven is made of."""
    rgbs = tuple(rgb for rgb, group in COLOURS.values() if group == label.name and rgb != label.color)
    return LabelClass(label.name, label.color, label.raw_ids, rgbs)
