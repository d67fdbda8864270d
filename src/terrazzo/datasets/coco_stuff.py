"""`coco-stuff`: COCO with things and stuff in one map of pixels.

Classes: 171 of the 182 ids: 80 things and 91 kinds of stuff. Eleven ids of the list were never used (street
sign, hat, shoe, eye glasses, plate, mirror, window, desk, door, blender, hair brush) and are errors in a map.

Format: grey PNG; a pixel holds the id of labels.txt less one, 0..181, and 255 where nobody labelled. (The ids
of the list, 1..182, are in the JSON only.) `*_labelTrainIds.png` that other tools put beside are passed over.

Split: train2017 and val2017; the test images have no public maps. Group: none, images are independent.

Licence: annotations CC BY 4.0; the images have Flickr's terms. Citation: Caesar, Uijlings, Ferrari:
COCO-Stuff: Thing and Stuff Classes in Context, CVPR 2018.
"""

from pathlib import Path

from terrazzo.core.errors import DataError
from terrazzo.core.label_files import spread_color
from terrazzo.core.labels import LabelClass, LabelMap
from terrazzo.datasets.about import About
from terrazzo.datasets.base import SPLITS, PairDataset, check_split, refuse_empty, wanted_splits
from terrazzo.datasets.division import split_named
from terrazzo.datasets.layouts import Part
from terrazzo.datasets.pairing import files_by_stem, pair_by_stem

ABOUT = About(
    name="coco-stuff",
    title="COCO-Stuff 164k (2017), pixel maps",
    homepage="https://github.com/nightrome/cocostuff",
    licence="Annotations CC BY 4.0; the images have Flickr's terms of use.",
    citation="Caesar, Uijlings, Ferrari: COCO-Stuff: Thing and Stuff Classes in Context, CVPR 2018.",
    splits={"train": 118287, "val": 5000},
    layout=(
        "images/train2017/000000000009.jpg         (or train2017/)",
        "images/val2017/000000000139.jpg",
        "annotations/train2017/000000000009.png    (or stuffthingmaps/train2017/)",
        "annotations/val2017/000000000139.png",
    ),
)

UNUSED = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91)
"""Ids of the list that no pixel has."""

# The list's ids 1 to 182 in order, as labels.txt of the dataset has them.
_NAMES = """
person; bicycle; car; motorcycle; airplane; bus; train; truck; boat; traffic light; fire hydrant; street
sign; stop sign; parking meter; bench; bird; cat; dog; horse; sheep; cow; elephant; bear; zebra; giraffe;
hat; backpack; umbrella; shoe; eye glasses; handbag; tie; suitcase; frisbee; skis; snowboard; sports ball;
kite; baseball bat; baseball glove; skateboard; surfboard; tennis racket; bottle; plate; wine glass; cup;
fork; knife; spoon; bowl; banana; apple; sandwich; orange; broccoli; carrot; hot dog; pizza; donut; cake;
chair; couch; potted plant; bed; mirror; dining table; window; desk; toilet; door; tv; laptop; mouse;
remote; keyboard; cell phone; microwave; oven; toaster; sink; refrigerator; blender; book; clock; vase;
scissors; teddy bear; hair drier; toothbrush; hair brush; banner; blanket; branch; bridge; building-other;
bush; cabinet; cage; cardboard; carpet; ceiling-other; ceiling-tile; cloth; clothes; clouds; counter;
cupboard; curtain; desk-stuff; dirt; door-stuff; fence; floor-marble; floor-other; floor-stone; floor-tile;
floor-wood; flower; fog; food-other; fruit; furniture-other; grass; gravel; ground-other; hill; house;
leaves; light; mat; metal; mirror-stuff; moss; mountain; mud; napkin; net; paper; pavement; pillow;
plant-other; plastic; platform; playingfield; railing; railroad; river; road; rock; roof; rug; salad; sand;
sea; shelf; sky-other; skyscraper; snow; solid-other; stairs; stone; straw; structural-other; table; tent;
textile-other; towel; tree; vegetable; wall-brick; wall-concrete; wall-other; wall-panel; wall-stone;
wall-tile; wall-wood; water-other; waterdrops; window-blind; window-other; wood
"""

NAMES = {number: name.strip() for number, name in enumerate(_NAMES.split(";"), start=1)}
"""Every name by the list's id, 1..182."""

LABELS = LabelMap(
    tuple(
        LabelClass(name, spread_color(position), (number - 1,))
        for position, (number, name) in enumerate((n, s) for n, s in NAMES.items() if n not in UNUSED)
    )
)
"""Raw id = the list's id less one; void 255."""

_IMAGES = ("images", ".")
_MASKS = ("annotations", "stuffthingmaps", "stuffthingmaps_trainval2017", "pixelmaps", "masks")
_BESIDE = "_labelTrainIds"


class CocoStuff(PairDataset):
    """COCO-Stuff's pixel maps."""

    kind = "coco-stuff"
    known_labels = LABELS

    def __init__(self, root: str | Path, split: str = "train", *, cache: bool = False) -> None:
        """Find the pairs of a split and check them.

        Args:
            root: the folder that holds annotations/ and images/.
            split: train, val, test or all (those that are there).
            cache: keep decoded samples in memory.

        Raises:
            DataError: no such folder or split, or wrong pairs (all listed).
            RequestError: an unknown split.
        """
        check_split(split)
        root = Path(root)
        parts = {name: part for name in SPLITS if (part := _part(root, name))}
        if not parts:
            raise DataError(
                f"{root}: no COCO-Stuff here. Expected images/train2017/*.jpg and "
                "annotations/train2017/*.png "
                "(or stuffthingmaps/train2017); the older 10k release with .mat files is not read."
            )
        refuse_empty(split, root, {name: part.count for name, part in parts.items()})
        pairs = [
            pair
            for name in wanted_splits(split)
            if name in parts
            for pair in pair_by_stem(parts[name].images, parts[name].masks, only=parts[name].only)
        ]
        super().__init__(pairs, split=split, labels=LABELS, groups=[None] * len(pairs), cache=cache)


def _part(root: Path, split: str) -> Part | None:
    images = _folder(root, _IMAGES, split)
    masks = _folder(root, _MASKS, split)
    if images is None or masks is None:
        return None
    stems = {stem for stem in files_by_stem(masks) if not stem.endswith(_BESIDE)}
    return Part(images, masks, tuple(sorted(stems | set(files_by_stem(images)))))


def _folder(root: Path, places: tuple[str, ...], split: str) -> Path | None:
    """Return the split's folder in the first place that has one, whatever year it is of."""
    for place in places:
        folder = root / place
        inside = sorted(folder.iterdir()) if folder.is_dir() else []
        for path in inside:
            if path.is_dir() and split_named(path.name) == split:
                return path
    return None
