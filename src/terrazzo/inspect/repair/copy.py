"""Writing what a repair makes: the files that are sound as they are, the others mended, and a list of it all.

OUT/dataset.yaml      names what to open: `terrazzo inspect OUT/dataset.yaml`
OUT/classes.json      the label map, corrected
OUT/{train,val,test}/{images,masks}/   where files had to change
OUT/repairs.json      file by file what was done
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.config import write_yaml
from terrazzo.core.errors import RequestError
from terrazzo.core.image_files import opened, orientation
from terrazzo.core.images import read_image, upright, write_png
from terrazzo.core.labels import LabelMap
from terrazzo.inspect.doctor.meanings import written_id
from terrazzo.inspect.doctor.usage import Usage, usage_of
from terrazzo.inspect.readers import read_anything, read_files
from terrazzo.inspect.repair.masks import repaired_ids
from terrazzo.inspect.repair.plan import Step, mended_labels, needs_copy, plan
from terrazzo.inspect.repair.turns import best_turn
from terrazzo.inspect.report import Finding, InspectReport
from terrazzo.inspect.sources import HEAP
from terrazzo.inspect.survey import Progress, Survey

CAMVID_GROUPS = "^([^_]+)_"
_MASK_KINDS = frozenset(
    {
        "binary-255",
        "ids-off-by-one",
        "jpeg-damage",
        "lossy-mask",
        "mask-alpha",
        "mask-exif",
        "mask-grey-as-rgb",
    }
    | {"palette-as-grey", "palette-indices", "resampling-damage", "transposed-pair", "exif-rotated"}
    | {"image-not-finite"}
)
_IMAGE_KINDS = frozenset({"image-not-finite", "mixed-channels"})


@dataclass(frozen=True)
class Repair:
    """What was written."""

    dataset: Path
    """The dataset YAML to go on with."""

    actions: tuple[tuple[str, str], ...]
    """(file, what was done)."""

    copied: bool


def repair(survey: Survey, report: InspectReport, out: Path, progress: Progress | None = None) -> Repair:
    """Write a repaired copy, or only a corrected dataset YAML where no file has to change.

    Args:
        survey: of the data.
        report: of the same survey; its fixable findings are repaired.
        out: a folder that is not there yet, or empty, and not within the data.
        progress: called with (pairs written, pairs in all).

    Raises:
        RequestError: nothing is fixable, the data have no files of their own, or out is in the way.
    """
    fixable = tuple(finding for finding in report.findings if finding.fixable)
    _check(survey, fixable, out)
    out.mkdir(parents=True, exist_ok=True)
    labels = mended_labels(survey)
    copied = needs_copy(fixable)
    actions = _copy(survey, fixable, labels, out, progress) if copied else _named(fixable)
    (out / "classes.json").write_text(json.dumps(labels.to_json(), indent=1) + "\n", encoding="utf-8")
    dataset = out / "dataset.yaml"
    dataset.write_text(write_yaml(_options(survey, fixable, copied)), encoding="utf-8")
    facts = [{"file": file, "done": done} for file, done in actions]
    (out / "repairs.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return Repair(dataset, tuple(actions), copied)


def _check(survey: Survey, fixable: tuple[Finding, ...], out: Path) -> None:
    if not survey.source.raw:
        raise RequestError(
            f"--fix repairs folders of images and masks; {survey.source.name} is a {survey.source.kind!r} "
            "dataset, whose files have their own layout. Follow the advice of each finding instead."
        )
    if not fixable:
        raise RequestError("--fix: nothing here can be repaired without a person; nothing was written.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RequestError(f"{out} is there already and is not empty. Give --fix a new folder.")
    if out.resolve().is_relative_to(survey.source.root.resolve()):
        raise RequestError(f"{out} lies within the data themselves. Give --fix a folder elsewhere.")


def _named(fixable: tuple[Finding, ...]) -> list[tuple[str, str]]:
    return [(file, f.kind) for f in fixable for file in (f.files or ("dataset.yaml",))[:1]]


def _options(survey: Survey, fixable: tuple[Finding, ...], copied: bool) -> dict[str, Any]:
    """Return the keys of the dataset YAML."""
    given = {
        k: v for k, v in survey.source.options.items() if k not in {"classes", "num_classes", "mask_suffix"}
    }
    if survey.source.kind == "camvid":
        given["group_pattern"] = CAMVID_GROUPS
    if copied:
        return {"kind": "folder", "root": ".", "classes": "classes.json", **given}
    root = str(survey.source.root.resolve())
    suffix = survey.source.options.get("mask_suffix") or _suffix(survey, fixable)
    extra = {"mask_suffix": suffix} if suffix else {}
    return {"kind": "folder", "root": root, "classes": "classes.json", **given, **extra}


def _suffix(survey: Survey, fixable: tuple[Finding, ...]) -> str:
    if not any(finding.kind == "mask-suffix" for finding in fixable):
        return ""
    item = next(i for i in survey.source.items if Path(i.mask).stem != Path(i.image).stem)
    return Path(item.mask).stem.removeprefix(Path(item.image).stem)


def _copy(
    survey: Survey,
    fixable: tuple[Finding, ...],
    labels: LabelMap,
    out: Path,
    progress: Progress | None,
) -> list[tuple[str, str]]:
    actions: list[tuple[str, str]] = []
    usage = usage_of(survey)
    steps = plan(survey, fixable)
    for number, step in enumerate(steps, 1):
        if step.kept:
            actions += _write(survey.source.root, step, usage, out)
        else:
            actions.append((step.item.image, f"left out: {', '.join(step.kinds)}"))
        if progress is not None:
            progress(number, len(steps))
    return actions + _left_behind(fixable)


def _left_behind(fixable: tuple[Finding, ...]) -> list[tuple[str, str]]:
    kinds = {"image-without-mask", "mask-without-image", "listed-twice", "missing-listed-file"}
    return [(file, f"left out: {f.kind}") for f in fixable if f.kind in kinds for file in f.files]


def _write(root: Path, step: Step, usage: Usage, out: Path) -> list[tuple[str, str]]:
    """Write the two files of a pair, as they are where nothing is wrong with them."""
    part = out if step.split == HEAP else out / step.split
    for side in ("images", "masks"):
        (part / side).mkdir(parents=True, exist_ok=True)
    image_to, mask_to = part / "images" / step.name, part / "masks" / step.name
    done = []
    image = _mended_image(root / step.item.image, step)
    if image is None:
        shutil.copyfile(root / step.item.image, _named_as(image_to, root / step.item.image))
    else:
        _save(image_to, image)
        done.append((step.item.image, f"repaired: {_kinds(step, _IMAGE_KINDS)}"))
    mask = _mended_mask(root, step, usage)
    if mask is None:
        shutil.copyfile(root / step.item.mask, _named_as(mask_to, root / step.item.mask))
    else:
        _save(mask_to, mask.astype(np.uint8 if mask.max(initial=0) <= 255 else np.uint16))
        done.append((step.item.mask, f"repaired: {_kinds(step, _MASK_KINDS)}"))
    others = set(step.kinds) - _MASK_KINDS - _IMAGE_KINDS
    return done + [
        (step.item.image, f"{kind}: written as {step.split}/{step.name}") for kind in sorted(others)
    ]


def _kinds(step: Step, among: frozenset[str]) -> str:
    return ", ".join(kind for kind in step.kinds if kind in among)


def _named_as(target: Path, source: Path) -> Path:
    return target.with_name(target.name + source.suffix.strip())


def _save(target: Path, array: NDArray[Any]) -> None:
    if array.dtype in (np.uint8, np.uint16) and (array.dtype == np.uint8 or array.ndim == 2):
        write_png(target.with_name(target.name + ".png"), array)
    else:
        np.save(target.with_name(target.name + ".npy"), array)


def _mended_image(path: Path, step: Step) -> NDArray[Any] | None:
    if "image-not-finite" in step.kinds:
        known: NDArray[Any] = np.nan_to_num(read_anything(path), nan=0.0, posinf=0.0, neginf=0.0)
        return known
    grey = step.facts.image is not None and step.facts.image.channels == 1
    if "mixed-channels" in step.kinds and grey:
        return np.repeat(read_image(path), 3, axis=2)
    return None


def _mended_mask(root: Path, step: Step, usage: Usage) -> NDArray[Any] | None:
    """Return the repaired mask; None where it stays as it is."""
    kinds = [kind for kind in step.kinds if kind in _MASK_KINDS]
    facts = step.facts.mask
    if not kinds or facts is None:
        return None
    path = root / step.item.mask
    pair = read_files(root, step.item)
    assert pair.mask is not None
    mask = pair.mask
    for kind in kinds:
        values = repaired_ids(kind, mask, facts, usage)
        mask = mask if values is None else values
    turns: dict[str, Callable[[], NDArray[Any]]] = {
        "transposed-pair": lambda: best_turn(read_image(root / step.item.image), mask),
        "exif-rotated": lambda: upright(mask, pair.orientation),
        "mask-exif": lambda: _turned_to_fit(mask, path, pair.image),
        "mask-alpha": lambda: _opaque(mask, path, usage.labels),
        "image-not-finite": lambda: _void_where_unknown(mask, root / step.item.image, usage.labels),
    }
    for kind in kinds:
        mask = turns[kind]() if kind in turns else mask
    return np.ascontiguousarray(mask)


def _turned_to_fit(mask: NDArray[Any], path: Path, image: NDArray[Any] | None) -> NDArray[Any]:
    if image is None or mask.shape[:2] == image.shape[:2]:
        return mask
    with opened(path) as stored:
        turn = orientation(stored)
    return upright(mask, turn)


def _opaque(mask: NDArray[Any], path: Path, labels: LabelMap) -> NDArray[Any]:
    """Make the pixels void that are more transparent than not."""
    with opened(path) as image:
        alpha = np.asarray(image)[..., -1]
    if mask.ndim == 3:
        from terrazzo.inspect.table import Table

        mask = _color_ids(mask, Table(labels))
    return np.where(alpha < 128, written_id(labels, labels.num_classes), mask)


def _color_ids(mask_HW3: NDArray[Any], table: Any) -> NDArray[Any]:
    from terrazzo.core.labels import pack_colors

    classes = np.minimum(table.classes_of(pack_colors(mask_HW3), colors=True), table.count)
    written = np.array([written_id(table.labels, k) for k in range(table.count + 1)])
    out: NDArray[Any] = written[classes]
    return out


def _void_where_unknown(mask: NDArray[Any], image: Path, labels: LabelMap) -> NDArray[Any]:
    unknown = ~np.isfinite(read_anything(image)).all(axis=2)
    return np.where(unknown, written_id(labels, labels.num_classes), mask)
