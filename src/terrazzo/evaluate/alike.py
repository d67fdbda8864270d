"""Whether scores may be compared: same images, same truth, same protocol. If not, what differs."""

from collections.abc import Collection, Sequence
from typing import Any, Final

import numpy as np

from terrazzo.core import RequestError
from terrazzo.evaluate.evaluation import Evaluation

METHOD: Final = ("tta", "tiles", "members", "postprocess")
"""How predictions were made: what one may want to compare with all else equal."""

_SAID: Final = {
    "data": "data",
    "split": "split",
    "images": "number of images",
    "classes": "classes",
    "void": "void rule",
    "resolution": "resolution",
    "size": "size of the ground truth",
    "averaging": "averaging",
    "tta": "test-time augmentation",
    "tiles": "tiles",
    "members": "members",
    "postprocess": "post-processing",
    "data_fingerprint": "images or labels (data fingerprint)",
}
"""Facts that must agree, in words; those that explain the most first."""


def check_alike(evaluations: Sequence[Evaluation], *, may_differ: Collection[str] = ()) -> None:
    """Refuse evaluations that mean different things.

    Args:
        evaluations: two or more; the first is what the others are held against.
        may_differ: names in `METHOD` whose effect is just what is compared.

    Raises:
        RequestError: protocols, images or ground truths differ; says in what.
    """
    if unknown := sorted(set(may_differ) - set(METHOD)):
        raise RequestError(
            f"{', '.join(unknown)} cannot differ between A and B; only {', '.join(METHOD)} may."
        )
    first, *others = evaluations
    for other in others:
        if found := _differences(first, other, may_differ):
            raise RequestError(
                f"These scores do not compare: {'; '.join(found)}. Score both sides in the same way."
            )
        _check_truth(first, other)


def _differences(one: Evaluation, other: Evaluation, may_differ: Collection[str]) -> list[str]:
    facts, theirs = one.protocol.to_json(), other.protocol.to_json()
    found = [
        f"{said} {_short(facts[key])} against {_short(theirs[key])}"
        for key, said in _SAID.items()
        if facts[key] != theirs[key] and key not in may_differ and not _unknown_size(key, facts, theirs)
    ]
    # The fingerprint of the data differs with split, images and classes: it is said where these do not.
    return found[:-1] if len(found) > 1 and facts["data_fingerprint"] != theirs["data_fingerprint"] else found


def _unknown_size(key: str, facts: dict[str, Any], theirs: dict[str, Any]) -> bool:
    return key == "size" and not (facts[key] and theirs[key])


def _short(value: Any) -> str:
    if not isinstance(value, list):
        return repr(value)
    return f"({', '.join(map(str, value[:4]))}{', ...' if len(value) > 4 else ''})"


def _check_truth(one: Evaluation, other: Evaluation) -> None:
    """Refuse masks that were changed between two evaluations: pixels per class and image must agree.

    Raises:
        RequestError: names the image.
    """
    place = {id: index for index, id in enumerate(other.counts.ids)}
    for index, id in enumerate(one.counts.ids):
        if id not in place:
            raise RequestError(f"These scores do not compare: the image {id!r} is in one of them only.")
        truth, theirs = one.counts.matrix(index).sum(axis=1), other.counts.matrix(place[id]).sum(axis=1)
        if not np.array_equal(truth, theirs):
            k = int(np.flatnonzero(truth != theirs)[0])
            raise RequestError(
                f"These scores do not compare: the ground truth of {id!r} has {truth[k]} pixels of "
                f"{one.protocol.classes[k]!r} in one and {theirs[k]} in the other. "
                "Score both on the same masks."
            )
