"""A preset's crop with listed operations: first everything is drawn (the plan), then it is done.

Order: the window, and all geometry with it, in one warp; the preset's colours; the listed operations that
change pixels, in the order of the list; last, mixing with other samples, which were made the same way.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from terrazzo.core.errors import RequestError
from terrazzo.transforms.apply import apply_look, view_through
from terrazzo.transforms.catalogue import OPERATIONS
from terrazzo.transforms.crops import Crop
from terrazzo.transforms.geometric import Window, cut, flip
from terrazzo.transforms.moves import Flip, Rotate
from terrazzo.transforms.operation import Bend, Drawn, Mix, Move, Pixels, draw_key, keyed
from terrazzo.transforms.presets import CropTransform
from terrazzo.transforms.strengths import amount_at
from terrazzo.transforms.warp import plan_course, warp, window_matrix

Partner = Callable[[int], tuple[Pixels, Pixels]]
"""From a number (0, 1, ...) to another sample, transformed to the crop's size."""


@dataclass(frozen=True)
class Operation:
    """One operation of a list, as a recipe has it; its name and options were checked."""

    kind: str
    strength: tuple[float, float]
    """Drawn evenly from this range, which may be one point."""

    probability: float
    options: Mapping[str, Any]

    def draw(self, rng: np.random.Generator) -> "Step | None":
        """Draw whether it happens, how strongly, and how."""
        if rng.random() >= self.probability:
            return None
        strength = float(rng.uniform(*self.strength))
        drawn = OPERATIONS[self.kind].draw(amount_at(self.kind, strength), rng, **self.options)
        return None if drawn is None else Step(self.kind, strength, drawn)


@dataclass(frozen=True)
class Step:
    """What was drawn of one operation."""

    kind: str
    strength: float | None
    """None where the preset drew it."""

    drawn: Drawn


@dataclass(frozen=True)
class Plan:
    """Everything that will happen to one sample."""

    window: Window
    steps: tuple[Step, ...]
    colors: int | None
    """Key of the preset's colour changes; None where it has none."""

    def geometry(self) -> list[Move | Bend]:
        """Return the moves and bends, in order."""
        return [step.drawn for step in self.steps if isinstance(step.drawn, Move | Bend)]

    def window_alone(self) -> "Plan":
        """Return the plan that cuts the same window and does nothing else."""
        return Plan(self.window, (), None)

    def geometry_alone(self) -> "Plan":
        """Return the plan without anything that changes pixels where they are."""
        steps = tuple(step for step in self.steps if isinstance(step.drawn, Move | Bend))
        return Plan(self.window, steps, None)

    def describe(self) -> tuple[str, ...]:
        """Return one line per step: its name, and its strength where it has one."""
        return describe(self.steps)


@dataclass(frozen=True)
class Pipeline:
    """A transform of image, mask and generator, as `CropTransform` is, with more in it. Pickles."""

    base: CropTransform
    operations: tuple[Operation, ...]
    crop: Crop | None = None
    """How the window is chosen; None as the preset does."""

    def __call__(self, image: Pixels, mask: Pixels, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        """Return image (h, w, C) and mask (h, w), new arrays of the dtypes that came in; nothing is mixed."""
        return self.render(image, mask, self.plan(mask, rng))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as a call that also keeps the worker's OpenCV to one thread."""
        return _single_threaded, (self.base, self.operations, self.crop)

    @property
    def mixes(self) -> bool:
        """Whether other samples may come in."""
        return any(needs_partners(operation.kind) for operation in self.operations)

    def plan(self, mask: Pixels, rng: np.random.Generator) -> Plan:
        """Draw everything but the mixing."""
        strength = self.base.strength
        window, steps = self._window(mask, rng), []
        if rng.random() < strength.flip:
            steps.append(Step("flip", None, Flip(vertical=False)))
        if strength.rotation and rng.random() < 0.5:
            steps.append(Step("rotate", None, Rotate(rng.uniform(-strength.rotation, strength.rotation))))
        drawn = [o.draw(rng) for o in self.operations if not needs_partners(o.kind)]
        steps += [step for step in drawn if step is not None]
        return Plan(window, tuple(steps), draw_key(rng) if self.base.recolors else None)

    def render(self, image: Pixels, mask: Pixels, plan: Plan) -> tuple[Pixels, Pixels]:
        """Do what a plan says.

        Args:
            image: (H, W, C) uint8, uint16 or float32.
            mask: (H, W) train ids.
            plan: from `plan`.

        Raises:
            RequestError: an operation makes no sense for images of this kind.
        """
        self._check(plan.steps, image.shape[2])
        moves, crop, void = plan.geometry(), self.base.crop, self.base.ignore_index
        if all(isinstance(move, Flip) and not move.vertical for move in moves):
            matrix = window_matrix(plan.window, crop)
            made = cut(image, mask, plan.window, crop, void)
            made = flip(*made) if len(moves) % 2 else made
        else:
            course = plan_course(plan.window, moves, crop)
            matrix = course.matrix
            made = warp(image, mask, course, crop, void)
        if plan.colors is not None:
            made = self.base.recolor(made[0], keyed(plan.colors)), made[1]
        return apply_look([s.drawn for s in plan.steps], *made, view_through(matrix, image), void)

    def plan_mix(self, rng: np.random.Generator) -> tuple[Step, ...]:
        """Draw what is mixed in."""
        drawn = [o.draw(rng) for o in self.operations if needs_partners(o.kind)]
        return tuple(step for step in drawn if step is not None)

    def mix(
        self, image: Pixels, mask: Pixels, steps: Sequence[Step], partner: Partner
    ) -> tuple[Pixels, Pixels]:
        """Mix other samples into a sample that was made already; asks for as many as are needed."""
        number = 0
        for step in steps:
            assert isinstance(step.drawn, Mix)
            others = [partner(number + k) for k in range(step.drawn.partners)]
            number += step.drawn.partners
            image, mask = step.drawn.mix(image, mask, others, self.base.ignore_index)
        return image, mask

    def at_size(self, crop: tuple[int, int]) -> "Pipeline":
        """Return the same pipeline for crops of another size."""
        return replace(self, base=replace(self.base, crop=crop))

    def _window(self, mask: Pixels, rng: np.random.Generator) -> Window:
        if self.crop is None:
            return self.base.choose_window(mask, rng)
        scale = self.base.draw_scale(rng)
        return self.crop.window(mask, self.base.crop, scale, self.base.ignore_index, rng)

    def _check(self, steps: Iterable[Step], channels: int) -> None:
        for step in steps:
            wanted = OPERATIONS[step.kind].channels
            if wanted is not None and channels not in wanted:
                raise RequestError(
                    f"The operation {step.kind!r} is for images of {' or '.join(map(str, wanted))} channels; "
                    f"these have {channels}. Take it out of transforms.operations."
                )


def describe(steps: Iterable[Step]) -> tuple[str, ...]:
    """Return one line per step: its name, and its strength where it has one."""
    return tuple(s.kind if s.strength is None else f"{s.kind} {s.strength:.2f}" for s in steps)


def needs_partners(kind: str) -> bool:
    """Say whether an operation needs other samples."""
    return OPERATIONS[kind].family == "mixing"


def _single_threaded(*facts: Any) -> Pipeline:
    cv2.setNumThreads(0)
    return Pipeline(*facts)
