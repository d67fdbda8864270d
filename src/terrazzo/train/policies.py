"""What a study of augmentation compares: policies, each at a strength.

A policy is a `transforms` section of a recipe with its operations at one strength. Every operation is a
policy by itself; the groups take one of their operations at a time, so that a group happens as often as a
single operation; `recipe` is what the recipe lists, scaled.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from terrazzo.core.errors import RequestError, unknown_name
from terrazzo.train.recipe import Recipe
from terrazzo.transforms import CROPS, OPERATIONS
from terrazzo.transforms.config import OperationConfig, TransformConfig

CLEAN = "none"
"""The policy without any augmentation: a random crop, as the network needs one size."""

GROUPS: Mapping[str, tuple[str, ...]] = {
    "geometry": ("flip", "rotate", "scale", "perspective"),
    "colours": ("color_jitter", "gamma", "clahe"),
    "camera": ("blur", "noise", "jpeg"),
    "weather": ("rain", "snow", "fog", "shadow", "sun_flare", "night"),
    "erasing": ("cutout", "mask_dropout"),
    "mixing": ("cutmix", "classmix", "copy_paste", "mosaic"),
}
"""Groups by name -> their operations."""

DEFAULT = ("flip", "scale", "rotate", "color_jitter", "weather", "cutout", "cutmix")
"""Policies of a study that names none."""


@dataclass(frozen=True)
class Policy:
    """One point of a study."""

    name: str
    strength: float
    """0..1, the upper end of what is drawn from for every application; 0 only for the clean policy."""

    @property
    def label(self) -> str:
        """Name and strength in one word."""
        return self.name if self.name == CLEAN else f"{self.name} {self.strength:g}"


def with_policy(recipe: Recipe, policy: Policy, *, probability: float) -> Recipe:
    """Return a recipe that trains by a policy: crop and nothing else, then the policy's operations.

    Args:
        recipe: everything else; its crop and `scale` stay, as the crop is no augmentation.
        policy: what to do.
        probability: how often the policy's operation happens; `recipe` keeps those it lists.
    """
    old = recipe.transforms
    if policy.name == "recipe":
        operations = tuple(_scaled(operation, policy.strength) for operation in old.operations)
        transforms = old.model_copy(update={"operations": operations})
    else:
        options = {key: value for key, value in old.options.items() if key == "max_share"}
        transforms = TransformConfig(
            preset="plain", crop=old.crop, options=options, operations=_operations(policy, probability)
        )
    return recipe.model_copy(update={"transforms": transforms})


def check_policies(names: Sequence[str], recipe: Recipe) -> tuple[str, ...]:
    """Return the names, each once, in their order.

    Raises:
        RequestError: an unknown policy, or `recipe` where the recipe lists no operations.
    """
    known = [*OPERATIONS, *GROUPS, "recipe"]
    for name in names:
        if name not in known:
            raise unknown_name("policy", name, known)
    if "recipe" in names and not recipe.transforms.operations:
        raise RequestError(
            "The policy 'recipe' needs transforms.operations in the recipe, but it lists none."
        )
    return tuple(dict.fromkeys(names))


def _operations(policy: Policy, probability: float) -> tuple[OperationConfig, ...]:
    if policy.name == CLEAN:
        return ()
    kinds = GROUPS.get(policy.name, (policy.name,))
    on_off = [OPERATIONS[kind].on_off for kind in kinds]
    return tuple(
        OperationConfig(
            kind=kind,
            # What is on or off has its strength as chance; a range would halve it.
            strength=policy.strength if switch else (0.0, policy.strength),
            probability=probability / len(kinds),
        )
        for kind, switch in zip(kinds, on_off, strict=True)
    )


def _scaled(operation: OperationConfig, strength: float) -> OperationConfig:
    if operation.kind in CROPS:  # has no strength
        return operation
    given = 0.5 if operation.strength is None else operation.strength
    scaled = (given[0] * strength, given[1] * strength) if isinstance(given, tuple) else given * strength
    return operation.model_copy(update={"strength": scaled})
