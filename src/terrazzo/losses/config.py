"""The loss section of a recipe, and the function that turns it into a loss."""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import Field

from terrazzo.core.config import Config
from terrazzo.core.errors import RequestError, unknown_name
from terrazzo.core.options import checked_options
from terrazzo.core.sample import IGNORE
from terrazzo.losses import LOSSES
from terrazzo.losses.weights import ClassWeights

if TYPE_CHECKING:
    from terrazzo.losses.combined import CombinedLoss

_CALL_ARGUMENTS = frozenset({"logits_BKhw", "target_BHW", "stride", "align_corners", "ignore_index"})

WEIGHTED = ("cross_entropy", "focal", "multi_scale", "ohem")
"""The losses that class weights from data go to, as `weight`."""


class LossPart(Config):
    """One term of the loss."""

    kind: str = Field(description="Name of the loss, one of LOSSES.")
    weight: float = Field(default=1.0, ge=0, description="Factor of this term in the sum.")
    options: dict[str, Any] = Field(
        default_factory=dict, description="Arguments of the loss, for instance label_smoothing."
    )


class LossConfig(Config):
    """The whole loss: a sum of terms."""

    parts: tuple[LossPart, ...] = Field(
        default=(LossPart(kind="cross_entropy"),), min_length=1, description="The terms of the sum."
    )
    class_weights: ClassWeights = Field(
        default="none", description="How class weights are computed from the training set."
    )
    auxiliary_weights: tuple[float, ...] | None = Field(
        default=None, description="Factors of the auxiliary outputs, instead of the network's own."
    )


def build_loss(
    parts: Sequence[LossPart],
    *,
    ignore_index: int = IGNORE,
    class_weights: Sequence[float] | None = None,
    auxiliary_weights: Sequence[float] | None = None,
) -> "CombinedLoss":
    """Turn the parts of a config into a loss.

    Two parts of one kind are told apart by a number: `dice`, `dice2`.

    Args:
        parts: the terms of the sum.
        ignore_index: the train id of void, from the label map.
        class_weights: one factor per class, for parts of the kinds in `WEIGHTED` that state no weight.
        auxiliary_weights: one factor per auxiliary output; the network's own by default.

    Raises:
        RequestError: an unknown kind, (ConfigError) an option that the loss does not have, or class weights
            that no part takes.
    """
    from terrazzo.losses.combined import CombinedLoss, WeightedLoss

    weighted: list[WeightedLoss] = []
    for position, part in enumerate(parts):
        number = 1 + sum(earlier.kind == part.kind for earlier in parts[:position])
        name = part.kind if number == 1 else f"{part.kind}{number}"
        weighted.append(WeightedLoss(name, part.weight, _bound_loss(part, class_weights)))
    return CombinedLoss(weighted, ignore_index=ignore_index, auxiliary_weights=auxiliary_weights)


def refuse_unused_weights(config: LossConfig) -> None:
    """Refuse class weights that nothing would take.

    Raises:
        RequestError: no part takes class weights, or all that do state their own.
    """
    if config.class_weights == "none" or any(_takes_weights(part) for part in config.parts):
        return
    raise RequestError(
        f"loss.class_weights is {config.class_weights}, but no part of the loss takes it: that needs one of "
        f"{', '.join(WEIGHTED)} without a weight option of its own. Add such a part, or set "
        "loss.class_weights=none."
    )


def _takes_weights(part: LossPart) -> bool:
    return part.kind in WEIGHTED and part.options.get("weight") is None


def _bound_loss(part: LossPart, class_weights: Sequence[float] | None) -> Callable[..., Any]:
    if part.kind not in LOSSES:
        raise unknown_name("loss", part.kind, LOSSES)
    function = LOSSES[part.kind]()
    options = checked_options(function, part.options, owner=f"loss {part.kind!r}", reserved=_CALL_ARGUMENTS)
    if class_weights is not None and _takes_weights(part):
        options["weight"] = tuple(class_weights)
    # A loss that changes over the run is a class: its object is the loss.
    changes = inspect.isclass(function)
    made: Callable[..., Any] = function(**options) if changes else partial(function, **options)
    return made
