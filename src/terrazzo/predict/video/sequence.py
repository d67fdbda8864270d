"""Frames of a folder: one image file each, in the order of the numbers in their names."""

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from terrazzo.core.errors import DataError, RequestError
from terrazzo.predict.video.frames import Coming


class FrameFolder:
    """A folder of images of one size.

    Args:
        path: the folder; its sub-folders are not searched.
        rate: frames per second.

    Raises:
        DataError: no image is there.
        RequestError: a rate that is none.
    """

    def __init__(self, path: Path, rate: float) -> None:
        from terrazzo.core.images import IMAGE_SUFFIXES

        if not 0 < rate <= 1000:
            raise RequestError(f"{rate} frames per second are impossible; expected above 0, at most 1000.")
        self.path = path
        self.notes: list[str] = []
        self.problem: str | None = None
        self.rate = Fraction(rate).limit_denominator(1001)  # 30000/1001 has such a one
        self.time_base = 1 / self.rate
        self.aspect = Fraction(1)
        self._files = sorted(
            (
                file
                for file in path.iterdir()
                if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".") and file.is_file()
            ),
            key=natural,
        )
        if not self._files:
            raise DataError(
                f"{path} holds no frames: looked for files that end in {', '.join(IMAGE_SUFFIXES)}."
            )
        self.count: int | None = len(self._files)
        self._shape: tuple[int, ...] | None = None

    def close(self) -> None:
        """Nothing is open."""

    def __iter__(self) -> Iterator[Coming]:
        """Go through the files; see `Source`."""
        for index, file in enumerate(self._files):
            yield Coming(index, index / self.rate, partial(self._read, file), file.name)

    def _read(self, file: Path) -> NDArray[Any]:
        from terrazzo.core.images import read_image

        image_HWC = read_image(file)
        self._shape = self._shape or image_HWC.shape
        if image_HWC.shape != self._shape:
            raise DataError(
                f"{file} is {image_HWC.shape}, the frames before it are {self._shape} (height, width, "
                "channels). Frames of one video have one size: scale it, or move it elsewhere."
            )
        return image_HWC


def natural(file: Path) -> tuple[list[int | str], str]:
    """Sort key under which frame_9 comes before frame_10."""
    parts = re.split(r"(\d+)", file.name.lower())
    # Text and numbers alternate, text first, so that like is compared with like.
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], file.name
