"""What all weather shares: distance over a flat ground, grey, and layers that things fall in."""

import numpy as np
from numpy.typing import NDArray

from terrazzo.transforms.operation import View, tint

Share = NDArray[np.float32]

FARTHEST = 9.0
"""Distance at the horizon, in units of the distance of the picture's lower edge."""

OVERHEAD = 7.0
"""Distance of what stands at the upper edge: walls and trees there are nearer than the horizon."""


def distance(size: tuple[int, int], view: View) -> Share:
    """Return how far away each row is, (H, 1): 1 at the picture's lower edge, FARTHEST at the horizon.

    Below the horizon this is the flat ground's own perspective, one over the rows below the horizon,
    rounded off where it would be endless.
    """
    rows = np.arange(size[0], dtype=np.float32)[:, None] + 0.5
    span = max(view.ground - view.horizon, 1.0)
    below = np.maximum((rows - view.horizon) / span, 0)
    ground = 1 / np.sqrt(below * below + np.float32(1 / FARTHEST**2))
    above = np.clip((view.horizon - rows) / span, 0, 1)
    return np.asarray(np.where(rows > view.horizon, ground, FARTHEST - (FARTHEST - OVERHEAD) * above))


def skyward(size: tuple[int, int], view: View) -> Share:
    """Return (H, 1): 0 well below the horizon, 1 well above it, and soft between."""
    rows = np.arange(size[0], dtype=np.float32)[:, None] + 0.5
    span = max(view.ground - view.horizon, 1.0)
    return np.asarray(np.clip(0.5 + (view.horizon - rows) / (0.5 * span), 0, 1), dtype=np.float32)


def grey(share: Share) -> Share:
    """Return the brightness (H, W, 1) of an image (H, W, C)."""
    return np.asarray(share.mean(axis=2, keepdims=True))


def faded(share: Share, amount: float) -> Share:
    """Take colour away: 0 none, 1 all of it."""
    return np.asarray(share + np.float32(amount) * (grey(share) - share))


def veiled(share: Share, veil: Share, color: tuple[float, float, float]) -> Share:
    """Mix a colour over an image by a veil (H, W) or (H, 1), 0 clear to 1 opaque."""
    thick = veil[..., None]
    return np.asarray(share + thick * (tint(color, share.shape[2]) - share))


def air_color(share: Share, brightest: float) -> tuple[float, float, float]:
    """Return the grey of the light in the air: about as bright as the scene's bright parts, slightly blue."""
    bright = float(np.percentile(grey(share), 90))
    level = min(1.0, 0.35 * bright + 0.65 * brightest)
    return 0.98 * level, level, min(1.0, 1.02 * level)
