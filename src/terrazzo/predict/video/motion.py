"""What moved between two frames, and where that is known: dense optical flow, checked both ways.

Shapes: H x W the frame in pixels, n x m the reduced size at which flow is found.
"""

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

LONGEST: Final = 512
"""Longer side at which flow is found, pixels."""

SHORTEST: Final = 32
"""Least side at which flow is found: the search begins on patches of eight pixels, twice reduced."""

STILL_PIXELS: Final = 0.5
"""Below this the flow says that nothing moved; pixels of the frame."""

STILL_GREY: Final = 10.0
"""Largest change of brightness of what did not move, 0..255."""

SAME_GREY: Final = 25.0
"""Largest change of brightness along the flow of what is taken for the same thing, 0..255."""


@dataclass(frozen=True, eq=False)
class Motion:
    """From a frame back to the one before."""

    flow_nm2: NDArray[np.float32]
    """Where a point of this frame was before, minus where it is: (x, y), pixels of the frame."""

    trusted_nm: NDArray[np.bool_]
    """Where the flow there and back agree, inside the frame, and the brightness is about the same."""

    still_nm: NDArray[np.bool_]
    """Where nothing moved: trusted, flow below 0.5 pixel, brightness changed by 10 of 255 at most."""

    size: tuple[int, int]
    """(H, W) of the frames."""

    def still(self) -> NDArray[np.bool_]:
        """Return `still_nm` at the size of the frame."""
        height, width = self.size
        full = cv2.resize(self.still_nm.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
        return np.asarray(full, dtype=np.bool_)


class MotionMeter:
    """Measures the motion between each frame and the one before it."""

    def __init__(self) -> None:
        self._before: NDArray[np.uint8] | None = None
        self._size: tuple[int, int] | None = None
        # The faster presets see too little of how small things move: of one pixel not half. The type stubs of
        # OpenCV lack what OpenCV has.
        self._search: Any = getattr(cv2, "DISOpticalFlow_create")(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # noqa: B009

    def __call__(self, image_HWC: NDArray[Any]) -> Motion | None:
        """Return the motion since the last frame; None for the first one and after a change of size."""
        size = (int(image_HWC.shape[0]), int(image_HWC.shape[1]))
        grey_nm = _reduced_grey(image_HWC)
        before_nm, known = self._before, self._size == size
        self._before, self._size = grey_nm, size
        return _motion(self._search, before_nm, grey_nm, size) if known and before_nm is not None else None


def measure_motion(before_HWC: NDArray[Any], image_HWC: NDArray[Any]) -> Motion:
    """Return the motion from a frame back to the one before.

    The flow is that of DIS (Kroeger et al. 2016, Fast Optical Flow using Dense Inverse Search). It is trusted
    where |w + w'|^2 < 0.01 (|w|^2 + |w'|^2) + 0.5, w' being the opposite flow at the other end (Sundaram,
    Brox, Keutzer 2010, Dense point trajectories by GPU-accelerated large displacement optical flow, eq. 5;
    in pixels of the reduced size), and where the brightness along it differs by 25 of 255 at most.

    Args:
        before_HWC: the frame before, raw pixel values.
        image_HWC: the frame, of the same size.
    """
    meter = MotionMeter()
    meter(before_HWC)
    motion = meter(image_HWC)
    if motion is None:
        raise ValueError(f"Frames of shapes {before_HWC.shape} and {image_HWC.shape}; expected one size.")
    return motion


def _motion(
    search: Any, before_nm: NDArray[np.uint8], grey_nm: NDArray[np.uint8], size: tuple[int, int]
) -> Motion:
    back_nm2 = search.calc(grey_nm, before_nm, None)
    forth_nm2 = search.calc(before_nm, grey_nm, None)
    rows, columns = np.indices(grey_nm.shape, dtype=np.float32)
    x, y = columns + back_nm2[..., 0], rows + back_nm2[..., 1]
    returned_nm2 = cv2.remap(forth_nm2, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    along_nm = cv2.remap(before_nm, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    gap = _square(back_nm2 + returned_nm2)
    inside = (x >= 0) & (x <= grey_nm.shape[1] - 1) & (y >= 0) & (y <= grey_nm.shape[0] - 1)
    agree = gap < 0.01 * (_square(back_nm2) + _square(returned_nm2)) + 0.5
    trusted = inside & agree & (cv2.absdiff(along_nm, grey_nm) <= SAME_GREY)
    scale = np.array([size[1] / grey_nm.shape[1], size[0] / grey_nm.shape[0]], dtype=np.float32)
    flow_nm2 = back_nm2 * scale
    unmoved = (_square(flow_nm2) < STILL_PIXELS**2) & (cv2.absdiff(before_nm, grey_nm) <= STILL_GREY)
    return Motion(flow_nm2, trusted, agree & unmoved, size)


def _square(flow_nm2: NDArray[Any]) -> NDArray[Any]:
    return np.asarray((flow_nm2**2).sum(axis=-1))


def _reduced_grey(image_HWC: NDArray[Any]) -> NDArray[np.uint8]:
    """Return brightness (n, m) at the size at which flow is found."""
    from terrazzo.figures import as_rgb

    grey = cv2.cvtColor(as_rgb(image_HWC), cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    scale = min(1.0, LONGEST / max(height, width))
    target = (max(SHORTEST, round(width * scale)), max(SHORTEST, round(height * scale)))
    if target != (width, height):
        grey = cv2.resize(grey, target, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return np.asarray(grey, dtype=np.uint8)
