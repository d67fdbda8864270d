"""What all sources of frames have in common, and which of their frames are wanted.

Shapes: H x W the frame upright, C channels.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from terrazzo.core.errors import RequestError


@dataclass(frozen=True, eq=False)
class Coming:
    """A frame that was reached; its pixels are only made where it is wanted."""

    index: int
    """Position among all frames of the source, from 0."""

    time: Fraction
    """Seconds since the first frame."""

    load: Callable[[], NDArray[Any]]
    """Makes the pixels; valid until the next frame is asked for."""

    name: str = ""
    """The file's name, of a folder of frames."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame that is wanted."""

    index: int
    time: Fraction
    image_HWC: NDArray[Any]  # noqa: N815
    """Upright, raw pixel values, RGB of a video."""

    name: str = ""


class Source(Protocol):
    """Where frames come from."""

    path: Path
    rate: Fraction
    """Frames per second, on average where it varies."""

    time_base: Fraction
    """Seconds; every time stamp is a multiple of it."""

    aspect: Fraction
    """Width of a pixel over its height, upright."""

    count: int | None
    """How many frames the source says it has."""

    notes: list[str]
    """What a person should know, one sentence each; complete after the last frame."""

    problem: str | None
    """Why there are fewer frames than there should be, known after the last frame."""

    def __iter__(self) -> Iterator[Coming]:
        """Go through all frames in the order in which they are shown."""

    def close(self) -> None:
        """Let go of the file."""


@dataclass(frozen=True)
class Selection:
    """Which frames are wanted.

    Raises:
        RequestError: no frame could ever be wanted.
    """

    every: int = 1
    """Each so many-th frame, beginning with the first one from `start` on."""

    start: float = 0.0
    """Seconds since the first frame, included."""

    end: float | None = None
    """Seconds since the first frame, excluded."""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.every < 1:
            raise RequestError(f"Every {self.every}-th frame is impossible; expected 1 or more.")
        if self.start < 0 or (self.end is not None and self.end <= self.start):
            raise RequestError(
                f"From {self.start} s to {self.end} s is nothing; expected 0 <= start < end, in seconds."
            )

    def of(self, source: Source) -> Generator[Frame]:
        """Go through the frames that are wanted."""
        inside = 0
        for coming in source:
            if self.end is not None and coming.time >= _exact(self.end):
                return
            if coming.time < _exact(self.start):
                continue
            if inside % self.every == 0:
                yield Frame(coming.index, coming.time, coming.load(), coming.name)
            inside += 1

    def count(self, source: Source) -> int | None:
        """Return how many frames that will be, as far as is known; with varying time stamps about."""
        if source.count is None:
            return None
        first = min(source.count, -(-_exact(self.start) * source.rate // 1))
        last = (
            source.count if self.end is None else min(source.count, -(-_exact(self.end) * source.rate // 1))
        )
        return max(0, int(-(-(last - first) // self.every)))


def _exact(seconds: float) -> Fraction:
    """Take 0.1 for a tenth, which no float is: a frame at that very time is not to be missed."""
    return Fraction(str(seconds))
