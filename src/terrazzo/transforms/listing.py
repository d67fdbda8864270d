"""From the operations a recipe lists to a pipeline, with a sentence for everything that is wrong."""

from collections.abc import Mapping, Sequence
from typing import Any

import cv2

from terrazzo.core.errors import RequestError, did_you_mean, unknown_name
from terrazzo.core.options import checked_options
from terrazzo.transforms.catalogue import OPERATIONS
from terrazzo.transforms.crops import CROPS, ClassCrop, Crop
from terrazzo.transforms.pipeline import Operation, Pipeline
from terrazzo.transforms.presets import CropTransform

KEYS = ("kind", "strength", "probability", "options")


def build_pipeline(
    base: CropTransform, operations: Sequence[Mapping[str, Any]], class_names: Sequence[str] = ()
) -> Pipeline:
    """Build a pipeline.

    Args:
        base: the preset's transform.
        operations: each with `kind`, and perhaps `strength` (0..1 or a range; 0.5), `probability` (0..1; 0.5)
            and `options`. A crop, one at most, replaces the preset's way to choose the window; it always
            happens and has no strength.
        class_names: in train-id order, for options that name classes.

    Raises:
        RequestError: an unknown name or option (with the closest match), or an impossible value.
    """
    crops = [listed for listed in operations if listed.get("kind") in CROPS]
    if len(crops) > 1:
        names = " and ".join(str(listed["kind"]) for listed in crops)
        raise RequestError(f"There is one way to choose the crop, but {names} are listed; keep one of them.")
    rest = [listed for listed in operations if listed.get("kind") not in CROPS]
    cv2.setNumThreads(0)
    return Pipeline(
        base,
        tuple(build_operation(listed, class_names) for listed in rest),
        _crop(crops[0], class_names) if crops else None,
    )


def build_operation(listed: Mapping[str, Any], class_names: Sequence[str] = ()) -> Operation:
    """Build one operation from its keys; see `build_pipeline`."""
    kind = _kind(listed)
    if kind not in OPERATIONS:
        raise unknown_name("operation", kind, [*OPERATIONS, *CROPS])
    probability = listed.get("probability", 0.5)
    if not _is_share(probability):
        raise RequestError(f"probability of {kind!r} is {probability!r}; expected a number from 0 to 1.")
    options = checked_options(
        OPERATIONS[kind].draw,
        _with_ids(listed.get("options", {}), class_names),
        owner=f"operation {kind!r}",
        reserved={"amount", "rng", "_rng"},
    )
    return Operation(kind, _strength(kind, listed.get("strength", 0.5)), float(probability), options)


def _crop(listed: Mapping[str, Any], class_names: Sequence[str]) -> Crop:
    kind = _kind(listed)
    if "strength" in listed or listed.get("probability", 1.0) != 1.0:
        raise RequestError(
            f"{kind!r} chooses every crop and has no strength or probability; leave them out"
            f"{', or set options.chance' if CROPS[kind] is ClassCrop else ''}."
        )
    return CROPS[kind](
        **checked_options(
            CROPS[kind], _with_ids(listed.get("options", {}), class_names), owner=f"operation {kind!r}"
        )
    )


def _kind(listed: Mapping[str, Any]) -> str:
    for key in listed:
        if key not in KEYS:
            raise RequestError(f"An operation has no key {key!r}: {did_you_mean(key, KEYS)}")
    if not isinstance(listed.get("kind"), str):
        raise RequestError(f"An operation of transforms.operations has no kind: {dict(listed)!r}.")
    return str(listed["kind"])


def _strength(kind: str, given: Any) -> tuple[float, float]:
    ends = tuple(given) if isinstance(given, list | tuple) else (given, given)
    if len(ends) != 2 or not all(_is_share(end) for end in ends) or ends[0] > ends[1]:
        raise RequestError(
            f"strength of {kind!r} is {given!r}; expected a number from 0 to 1, or two, the smaller first."
        )
    return float(ends[0]), float(ends[1])


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _with_ids(options: Mapping[str, Any], class_names: Sequence[str]) -> dict[str, Any]:
    """Return the options with names of classes turned into train ids."""
    if not isinstance(options.get("classes"), list | tuple):
        return dict(options)
    return {**options, "classes": tuple(_class_id(given, class_names) for given in options["classes"])}


def _class_id(given: Any, class_names: Sequence[str]) -> Any:
    if not isinstance(given, str):
        return given
    if given not in class_names:
        raise unknown_name("class", given, class_names)
    return list(class_names).index(given)
