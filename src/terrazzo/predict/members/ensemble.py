"""Ensembles: the mean of the probabilities of several networks (Lakshminarayanan et al. 2017, section 2.4).

Members may differ in architecture, stride and size; not in classes or channels.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from os import PathLike
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from terrazzo.core.errors import RequestError
from terrazzo.core.prediction import Prediction
from terrazzo.predict.backends.base import Backend
from terrazzo.predict.inference import Inference, Method
from terrazzo.predict.views.merging import merge

if TYPE_CHECKING:
    from terrazzo.predict.predictor import Predictor


class Ensemble:
    """Predict an image with every member, one after the other, and average their probabilities.

    Members whose logits lie on one grid are averaged there; others pixel by pixel at full size, which takes
    K x H x W numbers.

    Args:
        members: what predicts, at least one, of equal classes in equal order.
        weights: one number above 0 per member; their sum does not matter. None: all the same.
        words: what the members are, for the protocol; None: "mean of N models".

    Raises:
        RequestError: no member, members of unlike classes, channels or sides, or weights that do not fit.
    """

    def __init__(
        self,
        members: Sequence[Inference],
        weights: Sequence[float] | None = None,
        *,
        words: str | None = None,
    ) -> None:
        self.members = tuple(members)
        _refuse_unlike([member.backend for member in self.members])
        self.weights = _shares(weights, len(self.members))
        even = len(set(self.weights)) == 1
        listed = "" if even else f", weights {':'.join(f'{weight:.3g}' for weight in self.weights)}"
        self._words = (words or f"mean of {len(self.members)} models") + listed

    @property
    def backend(self) -> Backend:
        """What computes, of the first member."""
        return self.members[0].backend

    @property
    def method(self) -> Method:
        """What it does, in words; where members do it differently, each of their words once."""
        methods = [member.method for member in self.members]
        names = [field.name for field in fields(Method) if field.name != "members"]
        joined = {n: " | ".join(dict.fromkeys(getattr(method, n) for method in methods)) for n in names}
        inner = " | ".join(dict.fromkeys(m.members for m in methods if m.members != Method.members))
        return Method(**joined, members=self._words + (f" ({inner})" if inner else ""))

    def __call__(self, image_HWC: NDArray[Any]) -> Prediction:
        """Predict one image; see `Inference`."""
        strides = {member.backend.stride for member in self.members}
        return merge("mean", lambda: self._predictions(image_HWC), at_full_size=len(strides) > 1)

    def _predictions(self, image_HWC: NDArray[Any]) -> Iterator[tuple[Prediction, float]]:
        for member, weight in zip(self.members, self.weights, strict=True):
            yield member(image_HWC), weight


def ensemble_predictor(
    predictors: Sequence["Predictor"], weights: Sequence[float] | None = None
) -> "Predictor":
    """Make one predictor of several; labels, colours, card and device are the first one's.

    Raises:
        RequestError: class names that differ, and whatever `Ensemble` refuses.
    """
    from terrazzo.predict.predictor import Predictor

    if not predictors:
        raise RequestError("An ensemble needs at least one model; none was given.")
    first = predictors[0]
    for number, other in enumerate(predictors[1:], start=2):
        _refuse_other_names(first.labels.names, other.labels.names, number)
    inference = Ensemble([predictor.inference for predictor in predictors], weights)
    return Predictor(first.model, first.labels, first.card, inference=inference)


def load_ensemble(
    folders: Sequence[str | PathLike[str]],
    device: str = "auto",
    *,
    weights: Sequence[float] | None = None,
    wrap: "Callable[[Predictor], Predictor] | None" = None,
) -> "Predictor":
    """Load several model folders as one predictor; arguments and errors as `predict.load` and `Ensemble`.

    Args:
        folders: model folders.
        device: where all of them compute.
        weights: one per folder.
        wrap: done to each predictor before they are joined, for instance to give it tiles.
    """
    from terrazzo.predict.predictor import load

    predictors = [load(folder, device) for folder in folders]
    return ensemble_predictor([wrap(each) for each in predictors] if wrap else predictors, weights)


def _refuse_unlike(backends: Sequence[Backend]) -> None:
    if not backends:
        raise RequestError("An ensemble needs at least one model; none was given.")
    for name, what in (
        ("num_classes", "classes"),
        ("in_channels", "channels"),
        ("sides", "sides of an image"),
    ):
        counts = [getattr(backend, name) for backend in backends]
        if len(set(counts)) > 1:
            raise RequestError(
                f"The models of an ensemble have {', '.join(map(str, counts))} {what}; "
                "expected the same for all. Leave out those that differ."
            )


def _refuse_other_names(mine: Sequence[str], theirs: Sequence[str], number: int) -> None:
    """Name the first class that differs."""
    if tuple(mine) == tuple(theirs):
        return
    if len(mine) != len(theirs):
        what = f"model 1 has {len(mine)} classes ({', '.join(mine)}), model {number} has {len(theirs)} "
        what += f"({', '.join(theirs)})"
    else:
        place = next(k for k, pair in enumerate(zip(mine, theirs, strict=True)) if pair[0] != pair[1])
        what = f"class {place} of model 1 is {mine[place]!r}, of model {number} {theirs[place]!r}"
    raise RequestError(
        f"The models of an ensemble must have the same classes in the same order: {what}. "
        "Leave that model out, or train it on the same label map."
    )


def _shares(weights: Sequence[float] | None, count: int) -> tuple[float, ...]:
    """Return weights that sum to 1."""
    if weights is None:
        return (1 / count,) * count
    if len(weights) != count or not all(0 < weight < math.inf for weight in weights):
        raise RequestError(
            f"weights are {list(weights)} for {count} models; expected one number above 0 for each."
        )
    return tuple(weight / sum(weights) for weight in weights)
