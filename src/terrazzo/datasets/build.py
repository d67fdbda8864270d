"""From a name, or from what a person typed on the command line, to a dataset."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from terrazzo.core.errors import ConfigError, RequestError, unknown_name
from terrazzo.core.labels import LabelMap
from terrazzo.core.options import checked_options
from terrazzo.datasets.ade20k import Ade20k
from terrazzo.datasets.base import SegmentationDataset, check_split
from terrazzo.datasets.camvid import CamVid
from terrazzo.datasets.cityscapes import Cityscapes
from terrazzo.datasets.coco_panoptic import CocoPanoptic
from terrazzo.datasets.coco_polygons import CocoPolygons
from terrazzo.datasets.coco_stuff import CocoStuff
from terrazzo.datasets.cvat import Cvat
from terrazzo.datasets.cvat_masks import CvatMasks
from terrazzo.datasets.folder import Folder
from terrazzo.datasets.isbi_membrane import IsbiMembrane
from terrazzo.datasets.kitti_road import KittiRoad
from terrazzo.datasets.kitti_semantic import KittiSemantic
from terrazzo.datasets.label_studio import LabelStudio
from terrazzo.datasets.labelme import LabelMe
from terrazzo.datasets.sbd import Sbd
from terrazzo.datasets.scenes import Scenes
from terrazzo.datasets.stanford_2d3ds import Stanford2D3DS
from terrazzo.datasets.voc import Voc
from terrazzo.datasets.volumes import Volumes

DATASETS: dict[str, Callable[..., SegmentationDataset]] = {
    "ade20k": Ade20k,
    "camvid": CamVid,
    "cityscapes": Cityscapes,
    "coco-panoptic": CocoPanoptic,
    "coco-polygons": CocoPolygons,
    "coco-stuff": CocoStuff,
    "cvat": Cvat,
    "cvat-masks": CvatMasks,
    "folder": Folder,
    "isbi-membrane": IsbiMembrane,
    "kitti-road": KittiRoad,
    "kitti-semantic": KittiSemantic,
    "label-studio": LabelStudio,
    "labelme": LabelMe,
    "sbd": Sbd,
    "scenes": Scenes,
    "stanford-2d3ds": Stanford2D3DS,
    "voc": Voc,
    "volumes": Volumes,
}
"""Dataset kinds by name."""


def build_dataset(
    kind: str, *, root: str | Path | None = None, split: str = "train", **options: Any
) -> SegmentationDataset:
    """Build a dataset by kind.

    Args:
        kind: a key of `DATASETS`.
        root: the folder of the data, for kinds that have one.
        split: train, val, test or all.
        **options: what the kind's class takes.

    Raises:
        RequestError: an unknown kind, split or option (with the closest match), or a root that is missing
            or not wanted.
        DataError: the data are not what they should be.
    """
    if kind not in DATASETS:
        raise unknown_name("dataset kind", kind, DATASETS)
    check_split(split, getattr(DATASETS[kind], "further_splits", ()))
    place: dict[str, str | Path] = {}
    if "root" in inspect.signature(DATASETS[kind]).parameters:
        if root is None:
            raise RequestError(f"The dataset {kind!r} needs a folder: write {kind}:PATH, or give root.")
        place = {"root": root}
    elif root is not None:
        raise RequestError(
            f"The dataset {kind!r} is made on the fly and has no folder; leave {str(root)!r} out."
        )
    checked = checked_options(DATASETS[kind], options, owner=f"dataset {kind!r}", reserved={"root", "split"})
    return DATASETS[kind](split=split, **place, **checked)


def kind_labels(kind: str) -> LabelMap:
    """Return the label map that every dataset of a kind has.

    Raises:
        RequestError: an unknown kind, or one whose labels differ from folder to folder.
    """
    if kind not in DATASETS:
        raise unknown_name("dataset kind", kind, DATASETS)
    labels = getattr(DATASETS[kind], "known_labels", None)
    if labels is None:
        raise RequestError(
            f"The labels of a {kind!r} dataset are its own: give the path of its classes.json instead."
        )
    found: LabelMap = labels
    return found


def open_dataset(source: str | Path, *, split: str, **options: Any) -> SegmentationDataset:
    """Open what a person names as data.

    Args:
        source: `kind:path`; a kind that needs no folder (`scenes`); a folder with images/ and masks/; or a
            dataset YAML with the keys kind, root (relative to the YAML) and options of that kind.
        split: train, val, test or all.
        **options: options of the kind; they win over those of a YAML.

    Raises:
        RequestError: it is none of these, or an option is unknown.
        DataError: the data are not what they should be.
    """
    text = str(source)
    kind, colon, rest = text.partition(":")
    if isinstance(source, str) and kind in DATASETS:
        return build_dataset(kind, root=rest if colon and rest else None, split=split, **options)
    path = Path(source)
    if path.suffix.lower() in {".yaml", ".yml"}:
        return _open_yaml(path, split, options)
    if path.is_dir():
        return build_dataset("folder", root=path, split=split, **options)
    if colon and not path.exists():
        raise unknown_name("dataset kind", kind, DATASETS)
    raise RequestError(
        f"No data at {text!r}: expected kind:path (kinds: {', '.join(DATASETS)}), scenes, "
        "a folder with images/ and masks/, or a dataset YAML. Check the path."
    )


def _open_yaml(path: Path, split: str, options: dict[str, Any]) -> SegmentationDataset:
    from terrazzo.core.config import read_yaml

    data = read_yaml(path)
    kind = data.pop("kind", "folder")
    if not isinstance(kind, str):
        raise ConfigError(f"{path}: kind is {kind!r}; expected one of {', '.join(DATASETS)}.")
    if "split" in data:
        raise ConfigError(f"{path}: split is chosen when the data are opened, not here; remove the key.")
    if isinstance(data.get("root"), str):
        data["root"] = path.parent / data["root"]
    if isinstance(data.get("classes"), str):
        data["classes"] = path.parent / data["classes"]
    try:
        return build_dataset(kind, split=split, **(data | options))
    except RequestError as error:
        raise ConfigError(f"{path}: {error}") from error
