"""From a name, or from what a person typed on the command line, to a dataset."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from terrazzo.core.errors import ConfigError, RequestError, did_you_mean, unknown_name
from terrazzo.core.labels import LabelMap
from terrazzo.core.options import checked_options
from terrazzo.datasets.ade20k import Ade20k
from terrazzo.datasets.base import SegmentationDataset, check_split
from terrazzo.datasets.camvid import CamVid
from terrazzo.datasets.cityscapes import Cityscapes
from terrazzo.datasets.coco_panoptic import CocoPanoptic
from terrazzo.datasets.coco_polygons import CocoPolygons
from terrazzo.datasets.coco_stuff import CocoStuff
from terrazzo.datasets.concat import Concat
from terrazzo.datasets.cvat import Cvat
from terrazzo.datasets.cvat_masks import CvatMasks
from terrazzo.datasets.folder import Folder
from terrazzo.datasets.huggingface import HuggingFace
from terrazzo.datasets.isbi_membrane import IsbiMembrane
from terrazzo.datasets.kitti_road import KittiRoad
from terrazzo.datasets.kitti_semantic import KittiSemantic
from terrazzo.datasets.label_studio import LabelStudio
from terrazzo.datasets.labelme import LabelMe
from terrazzo.datasets.manifest import Manifest
from terrazzo.datasets.sbd import Sbd
from terrazzo.datasets.scenes import Scenes
from terrazzo.datasets.stanford_2d3ds import Stanford2D3DS
from terrazzo.datasets.table import SUFFIXES
from terrazzo.datasets.voc import Voc
from terrazzo.datasets.volumes import Volumes

DATASETS: dict[str, Callable[..., SegmentationDataset]] = {
    "ade20k": Ade20k,
    "camvid": CamVid,
    "cityscapes": Cityscapes,
    "coco-panoptic": CocoPanoptic,
    "coco-polygons": CocoPolygons,
    "coco-stuff": CocoStuff,
    "concat": Concat,
    "cvat": Cvat,
    "cvat-masks": CvatMasks,
    "folder": Folder,
    "huggingface": HuggingFace,
    "isbi-membrane": IsbiMembrane,
    "kitti-road": KittiRoad,
    "kitti-semantic": KittiSemantic,
    "label-studio": LabelStudio,
    "labelme": LabelMe,
    "manifest": Manifest,
    "sbd": Sbd,
    "scenes": Scenes,
    "stanford-2d3ds": Stanford2D3DS,
    "voc": Voc,
    "volumes": Volumes,
}
"""Dataset kinds by name."""

_NO_FOLDER = {"concat": "is made of its sources"}


PREPARED = ("cache", "resize")
"""Options that every kind has, whatever its class takes; see `SegmentationDataset.prepare`."""


def build_dataset(
    kind: str,
    *,
    root: str | Path | None = None,
    split: str = "train",
    cache: bool | str | None = None,
    resize: Any = None,
    **options: Any,
) -> SegmentationDataset:
    """Build a dataset by kind.

    Args:
        kind: a key of `DATASETS`.
        root: the folder of the data, for kinds that have one.
        split: train, val, test or all.
        cache: keep decoded samples: none, memory (also True), disk, or disk-hashed.
        resize: (H, W) that samples are brought to, or a factor.
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
        why = _NO_FOLDER.get(kind, "is made on the fly")
        raise RequestError(f"The dataset {kind!r} {why} and has no folder; leave {str(root)!r} out.")
    owner = f"dataset {kind!r}"
    _refuse_unknown(kind, options, owner)
    checked = checked_options(DATASETS[kind], options, owner=owner, reserved={"root", "split"})
    dataset = DATASETS[kind](split=split, **place, **checked)
    dataset.prepare(cache=cache, resize=resize, facts=checked)
    return dataset


def _refuse_unknown(kind: str, options: dict[str, Any], owner: str) -> None:
    own = [name for name in inspect.signature(DATASETS[kind]).parameters if name not in {"root", "split"}]
    known = list(dict.fromkeys([*own, *PREPARED]))
    for name in options:
        if name not in known:
            raise ConfigError(f"The {owner} has no option {name!r}: {did_you_mean(name, known)}")


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
        source: `kind:path`; a kind that needs no folder (`scenes`); a folder with images/ and masks/, or one
            saved by the `datasets` library; a manifest (.csv, .tsv, .parquet); or a dataset YAML with the
            keys kind, root (relative to the YAML, as the sources of `concat` are) and options of that kind.
        split: train, val, test or all.
        **options: options of the kind; they win over those of a YAML.

    Raises:
        RequestError: it is none of these, or an option is unknown.
        DataError: the data are not what they should be.
    """
    kind, given = parse_source(source)
    try:
        return build_dataset(kind, split=split, **(given | options))
    except RequestError as error:
        if _is_yaml(source):
            raise ConfigError(f"{source}: {error}") from error
        raise


def parse_source(source: str | Path) -> tuple[str, dict[str, Any]]:
    """Return the kind of what a person names as data, and its root and options; nothing is opened.

    Args:
        source: as of `open_dataset`.

    Raises:
        RequestError: it is nothing that `open_dataset` opens.
    """
    text = str(source)
    kind, colon, rest = text.partition(":")
    path = Path(source)
    if isinstance(source, str) and kind in DATASETS:
        return kind, {"root": rest} if colon and rest else {}
    if _is_yaml(source):
        return _parse_yaml(path)
    if path.suffix.lower() in SUFFIXES:
        return "manifest", {"root": path}
    if path.is_dir():
        saved = any((path / name).is_file() for name in ("dataset_dict.json", "state.json"))
        return "huggingface" if saved else "folder", {"root": path}
    if colon and not path.exists():
        raise unknown_name("dataset kind", kind, DATASETS)
    raise RequestError(
        f"No data at {text!r}: expected kind:path (kinds: {', '.join(DATASETS)}), scenes, "
        "a folder with images/ and masks/, a manifest (.csv, .parquet), or a dataset YAML. Check the path."
    )


def _is_yaml(source: str | Path) -> bool:
    if isinstance(source, str) and source.partition(":")[0] in DATASETS:
        return False
    return Path(source).suffix.lower() in {".yaml", ".yml"}


def _parse_yaml(path: Path) -> tuple[str, dict[str, Any]]:
    from terrazzo.core.config import read_yaml

    data = read_yaml(path)
    kind = data.pop("kind", "folder")
    if not isinstance(kind, str) or kind not in DATASETS:
        raise ConfigError(f"{path}: kind is {kind!r}; expected one of {', '.join(DATASETS)}.")
    if "split" in data:
        raise ConfigError(f"{path}: split is chosen when the data are opened, not here; remove the key.")
    for key in ("root", "classes"):
        if isinstance(data.get(key), str):
            data[key] = path.parent / data[key]
    if kind == "concat" and isinstance(data.get("sources"), list):
        data["sources"] = [_beside(source, path.parent) for source in data["sources"]]
    return kind, data


def _beside(source: Any, folder: Path) -> Any:
    """Return a source of `concat` with its path relative to a folder; other things are left to the kind."""
    if isinstance(source, dict):
        return {**source, "source": _beside(source.get("source"), folder)}
    if not isinstance(source, str):
        return source
    kind, colon, rest = source.partition(":")
    if kind in DATASETS:
        return f"{kind}:{folder / rest}" if colon and rest else source
    return str(folder / source)
