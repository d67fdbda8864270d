"""What `--tta` means: a line of text becomes the views of an image that are predicted, and how they merge.

    hflip                                       2 views
    hflip,vflip                                 4
    rot90                                       4, all quarter turns
    hflip,rot90                                 8, all a square has
    hflip,scale=0.75:1.25,merge=tsharpen        6: scale 1 is always among them

The views are every combination: flips x turns x scales, each once, the untouched one first.
"""

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from terrazzo.core.errors import RequestError, closest, unknown_name
from terrazzo.predict.views.merging import MERGES

PARTS: Final = ("hflip", "vflip", "dflip", "rot90", "rot", "scale", "merge")
EXAMPLE: Final = "hflip,scale=0.75:1.25,merge=mean"


@dataclass(frozen=True, order=True)
class Orientation:
    """One of the eight ways to lay a square, and of a volume whether its slices are turned around.

    Every quarter turn and flip moves pixels without changing any, so it can be undone exactly.
    """

    flip: bool = False
    """Left and right change places, first."""

    turns: int = 0
    """Quarter turns afterwards, 0..3, from rows towards columns (anticlockwise as shown)."""

    depth: bool = False
    """First and last slice of a volume change places."""

    def apply(self, image_HWC: NDArray[Any]) -> NDArray[Any]:
        """Lay an image (H, W, C) or a volume (D, H, W, C) this way; a view of it."""
        image_HWC = image_HWC[::-1] if self.depth else image_HWC
        image_HWC = np.flip(image_HWC, -2) if self.flip else image_HWC
        return np.rot90(image_HWC, self.turns, axes=(-3, -2))

    def undo(self, logits_BKhw: Tensor) -> Tensor:
        """Lay the logits of such an image upright."""
        logits_BKhw = torch.rot90(logits_BKhw, -self.turns, dims=(-2, -1))
        logits_BKhw = logits_BKhw.flip(-1) if self.flip else logits_BKhw
        return logits_BKhw.flip(-3) if self.depth else logits_BKhw


UPRIGHT: Final = Orientation()


@dataclass(frozen=True)
class TestTimeSpec:
    """The views of an image and the rule that merges them.

    Attributes:
        orientations: the upright one first, none twice.
        scales: factors on both sides, 1 first, none twice.
        merge: a name in MERGES.
    """

    __test__ = False  # no test, whatever pytest makes of the name

    orientations: tuple[Orientation, ...] = (UPRIGHT,)
    scales: tuple[float, ...] = (1.0,)
    merge: str = "mean"

    def __len__(self) -> int:
        """Return how often the network runs for one image."""
        return len(self.orientations) * len(self.scales)

    @property
    def words(self) -> str:
        """The same views by the same rule are the same words, however they were asked for."""
        if len(self) == 1:
            return "none"
        parts = list(_shortest(frozenset(self.orientations)))
        if len(self.scales) > 1:
            parts.append("scale=" + ":".join(f"{scale:g}" for scale in sorted(self.scales)))
        return f"{','.join(parts)},merge={self.merge} ({len(self)} views)"


def parse_tta(text: str) -> TestTimeSpec:
    """Read what a person asked for.

    Args:
        text: parts with commas between: `hflip`, `vflip`, `dflip` (volumes), `rot90` (all quarter turns),
            `rot=90:270` (some), `scale=a:b:c`, `merge=RULE`; or `none`.

    Raises:
        RequestError: an unknown part or rule, with the closest match; a part given twice; an angle that is no
            quarter turn; a scale that is no number above 0.
    """
    parts = [part.strip() for part in text.lower().split(",") if part.strip()]
    if parts == ["none"]:
        return TestTimeSpec()
    if not parts:
        raise RequestError(
            f"Test-time augmentation is empty. Give its parts, such as {EXAMPLE!r}, or 'none'."
        )
    given: dict[str, str | None] = {}
    for part in parts:
        name, value = _split(part, text)
        if name in given:
            raise RequestError(f"Test-time augmentation {text!r} names {name!r} twice. Give it once.")
        given[name] = value
    flips = {name for name in ("hflip", "vflip", "dflip") if name in given}
    turns = {90, 180, 270} if "rot90" in given else set()
    turns |= {_angle(each) for each in _values(given.get("rot"))}
    scales = sorted({_scale(each) for each in _values(given.get("scale"))} - {1.0})
    return TestTimeSpec(_orientations(flips, turns), (1.0, *scales), given.get("merge") or "mean")


def _split(part: str, text: str) -> tuple[str, str | None]:
    """Split `name=value` and check that the name is known and has a value exactly where it needs one."""
    name, equals, value = (piece.strip() for piece in part.partition("="))
    if name not in PARTS:
        raise unknown_name("part of test-time augmentation", name, PARTS)
    wants = name in {"rot", "scale", "merge"}
    if wants != bool(equals and value):
        expected = {"rot": "rot=90:180", "scale": "scale=0.75:1.25", "merge": "merge=mean"}.get(name, name)
        raise RequestError(f"{part!r} in {text!r}: expected {expected!r}.")
    if name == "merge" and value not in MERGES:
        raise unknown_name("merge", value, MERGES)
    return name, value if wants else None


def _values(text: str | None) -> list[str]:
    return [] if text is None else [each.strip() for each in text.split(":")]


def _angle(text: str) -> int:
    try:
        angle = float(text)
    except ValueError:
        angle = math.nan
    if angle not in {0, 90, 180, 270}:
        near = closest(text, ("90", "180", "270"))
        raise RequestError(
            f"rot={text} cannot be undone exactly; expected quarter turns: 90, 180 or 270, with colons "
            f"between{f' (did you mean {near}?)' if near else ''}, or 'rot90' for all of them."
        )
    return int(angle)


def _scale(text: str) -> float:
    try:
        scale = float(text)
    except ValueError:
        scale = math.nan
    if not 0 < scale < math.inf:
        raise RequestError(
            f"scale={text} is no factor; expected numbers above 0 with colons between, such as "
            "scale=0.75:1.25."
        )
    return scale


def _orientations(flips: Iterable[str], turns: Iterable[int]) -> tuple[Orientation, ...]:
    """Combine flips and turns (degrees) in every way; combinations that are the same come once.

    Upside down is left to right and half a turn.
    """
    sets = [(False, True) if name in set(flips) else (False,) for name in ("hflip", "vflip", "dflip")]
    found = {
        Orientation(across != down, (turn // 90 + (2 if down else 0)) % 4, depth)
        for across, down, depth in itertools.product(*sets)
        for turn in {0, *turns}
    }
    return tuple(sorted(found))


def _shortest(orientations: frozenset[Orientation]) -> tuple[str, ...]:
    """Return the fewest words for a set of orientations: `hflip,rot=180` is `hflip,vflip`."""
    turns = [(), *(c for n in (3, 1, 2) for c in itertools.combinations((90, 180, 270), n))]
    for turn, count in itertools.product(turns, range(4)):
        for flips in itertools.combinations(("hflip", "vflip", "dflip"), count):
            if frozenset(_orientations(flips, turn)) == orientations:
                whole = ("rot90",) if len(turn) == 3 else ("rot=" + ":".join(map(str, turn)),)
                return (*flips, *(whole if turn else ()))
    raise AssertionError(orientations)
