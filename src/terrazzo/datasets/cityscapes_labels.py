"""The labels of Cityscapes, which KITTI's semantic benchmark shares: 34 raw ids to 19, 7 or 2 classes.

Raw ids, train ids, categories and colours are those of Cordts et al., CVPR 2016, and of the data's own tools.
What the benchmark leaves out of its scores (void, and rare labels as parking or caravan) is void here in
every choice of classes, so a score means the same whichever file the labels are read from.
Two labels cannot be told by colour: `polegroup` is painted as `pole` and counts as such in colour masks;
`license plate` (id -1) is painted as `car`, and the published masks do not draw it at all.
"""

from functools import cache
from typing import Literal, NamedTuple

from terrazzo.core.labels import RGB, LabelClass, LabelMap
from terrazzo.core.sample import IGNORE

Task = Literal["classes", "categories", "road"]
"""19 classes; the 8 categories, of which void is one, so K = 7; or road against everything else, K = 2."""

MaskKind = Literal["labelIds", "labelTrainIds", "color"]
"""What a mask file holds: raw ids 0..33, train ids 0..18 and 255, or colours."""


class RawLabel(NamedTuple):
    """One of the 34 raw labels; its id is its position in `RAW`."""

    name: str
    scored: bool
    """Whether the benchmark counts it; the scored ones, in this order, are the train ids 0..18."""

    category: str
    color: RGB


RAW = (
    RawLabel("unlabeled", False, "void", (0, 0, 0)),
    RawLabel("ego vehicle", False, "void", (0, 0, 0)),
    RawLabel("rectification border", False, "void", (0, 0, 0)),
    RawLabel("out of roi", False, "void", (0, 0, 0)),
    RawLabel("static", False, "void", (0, 0, 0)),
    RawLabel("dynamic", False, "void", (111, 74, 0)),
    RawLabel("ground", False, "void", (81, 0, 81)),
    RawLabel("road", True, "flat", (128, 64, 128)),
    RawLabel("sidewalk", True, "flat", (244, 35, 232)),
    RawLabel("parking", False, "flat", (250, 170, 160)),
    RawLabel("rail track", False, "flat", (230, 150, 140)),
    RawLabel("building", True, "construction", (70, 70, 70)),
    RawLabel("wall", True, "construction", (102, 102, 156)),
    RawLabel("fence", True, "construction", (190, 153, 153)),
    RawLabel("guard rail", False, "construction", (180, 165, 180)),
    RawLabel("bridge", False, "construction", (150, 100, 100)),
    RawLabel("tunnel", False, "construction", (150, 120, 90)),
    RawLabel("pole", True, "object", (153, 153, 153)),
    RawLabel("polegroup", False, "object", (153, 153, 153)),
    RawLabel("traffic light", True, "object", (250, 170, 30)),
    RawLabel("traffic sign", True, "object", (220, 220, 0)),
    RawLabel("vegetation", True, "nature", (107, 142, 35)),
    RawLabel("terrain", True, "nature", (152, 251, 152)),
    RawLabel("sky", True, "sky", (70, 130, 180)),
    RawLabel("person", True, "human", (220, 20, 60)),
    RawLabel("rider", True, "human", (255, 0, 0)),
    RawLabel("car", True, "vehicle", (0, 0, 142)),
    RawLabel("truck", True, "vehicle", (0, 0, 70)),
    RawLabel("bus", True, "vehicle", (0, 60, 100)),
    RawLabel("caravan", False, "vehicle", (0, 0, 90)),
    RawLabel("trailer", False, "vehicle", (0, 0, 110)),
    RawLabel("train", True, "vehicle", (0, 80, 100)),
    RawLabel("motorcycle", True, "vehicle", (0, 0, 230)),
    RawLabel("bicycle", True, "vehicle", (119, 11, 32)),
)
"""Position = raw id."""

SCORED = tuple(raw_id for raw_id, label in enumerate(RAW) if label.scored)
"""Raw ids of the 19 classes; position = train id."""


@cache
def cityscapes_labels(task: Task = "classes", masks: MaskKind = "labelIds") -> LabelMap:
    """Return what the masks mean.

    Args:
        task: which classes.
        masks: what the files hold. One map serves raw ids and colours; train ids need their own.
    """
    groups: dict[str, list[int]] = {}
    for raw_id in SCORED:
        groups.setdefault(_class_of(raw_id, task), []).append(raw_id)
    if task == "road":  # background first, and painted as a house, not as a pavement
        other = sorted(groups["other"], key=lambda raw_id: (RAW[raw_id].name != "building", raw_id))
        groups = {"other": other, "road": groups["road"]}
    by_train_id = masks == "labelTrainIds"
    classes = tuple(_label_class(name, ids, by_train_id=by_train_id) for name, ids in groups.items())
    void = tuple(raw_id for raw_id, label in enumerate(RAW) if not label.scored)
    named = {rgb for c in classes for rgb in c.all_colors}
    void_colors = tuple(dict.fromkeys(RAW[i].color for i in void if RAW[i].color not in named))
    return LabelMap(classes, (IGNORE,) if by_train_id else void, void_colors)


def _class_of(raw_id: int, task: Task) -> str:
    if task == "road":
        return "road" if RAW[raw_id].name == "road" else "other"
    return RAW[raw_id].category if task == "categories" else RAW[raw_id].name


def _label_class(name: str, raw_ids: list[int], *, by_train_id: bool) -> LabelClass:
    first, *rest = (RAW[raw_id].color for raw_id in raw_ids)
    ids = tuple(SCORED.index(raw_id) if by_train_id else raw_id for raw_id in raw_ids)
    return LabelClass(name, first, ids, tuple(rest))
