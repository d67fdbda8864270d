"""The loss section of a recipe, and the function that turns it into a loss."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import Field

from terrazzo.core.config import Config
from terrazzo.core.errors import unknown_name
from terrazzo.core.options import checked_options
from terrazzo.core.sample import IGNORE
from terrazzo.losses import LOSSES

if TYPE_CHECKING:
    from terrazzo.losses.combined import CombinedLoss

_CALL_ARGUMENTS = frozenset({"logits_BKhw", "target_BHW", "stride", "align_corners", "ignore_index"})


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


def build_loss(parts: Sequence[LossPart], *, ignore_index: int = IGNORE) -> "CombinedLoss":
    """Turn the parts of a config into a loss.

    Two parts of one kind are told apart by a number: `dice`, `dice2`.

    Args:
        parts: the terms of the sum.
        ignore_index: the train id of void, from the label map.

    Raises:
        RequestError: an unknown kind, or (ConfigError) an option that the loss does not have.
    """
    from terrazzo.losses.combined import CombinedLoss, WeightedLoss

    weighted: list[WeightedLoss] = []
    for position, part in enumerate(parts):
        number = 1 + sum(earlier.kind == part.kind for earlier in parts[:position])
        name = part.kind if number == 1 else f"{part.kind}{number}"
        weighted.append(WeightedLoss(name, part.weight, _bound_loss(part)))
    return CombinedLoss(weighted, ignore_index=ignore_index)


def _bound_loss(part: LossPart) -> Callable[..., Any]:
    if part.kind not in LOSSES:
        raise unknown_name("loss", part.kind, LOSSES)
    function = LOSSES[part.kind]()
    options = checked_options(function, part.options, owner=f"loss {part.kind!r}", reserved=_CALL_ARGUMENTS)
    return partial(function, **options)
