"""Night: little light, little colour, a dark sky, headlights on the road, and a sensor at its limit."""

from dataclasses import dataclass

import numpy as np

from terrazzo.transforms.operation import Pixels, View, as_share, draw_key, from_share, keyed, tint
from terrazzo.transforms.weather.air import Share, faded, skyward

EXPOSED = 0.13
"""Mean brightness of the darkest night, share of white, before the sky loses more."""


@dataclass(frozen=True)
class Night:
    """How dark it is, and what still shines."""

    darkness: float
    """0 day, 1 a night without a moon."""

    lamps: float
    """Strength of the own headlights."""

    aim: float
    """Where they point, x as a share of the width."""

    key: int

    def paint(self, image: Pixels, view: View) -> Pixels:
        """Darken, light the road, then add the noise that a camera has when it sees little."""
        share, (height, width, channels) = as_share(image, view), image.shape
        dark = self.darkness
        cold = np.float32(1 - dark) + np.float32(dark) * tint((0.72, 0.84, 1.08), channels)
        dim = faded(np.clip(share, 0, 1) ** np.float32(1 + 0.4 * dark), 0.55 * dark)
        # The camera opens up as far as it can: a dusky scene does not turn black.
        kept = min(1.0, EXPOSED / max(float(dim.mean()), 1e-6))
        fall = 1 - dark * (1 - kept * (1 - 0.6 * skyward((height, width), view)[..., None]))
        night = dim * fall.astype(np.float32) * cold
        lit = _headlights((height, width), view, self.aim)[..., None] * np.float32(self.lamps * dark)
        night = night + share * lit * tint((1.0, 0.94, 0.80), channels)
        rng = keyed(self.key)
        own = rng.standard_normal((height, width, channels), dtype=np.float32)
        common = rng.standard_normal((height, width, 1), dtype=np.float32)
        grain = np.float32(0.06 * dark) * np.sqrt(np.clip(night, 0, 1) + np.float32(0.08))
        return from_share(night + grain * (0.8 * own + 0.8 * common), image, view)


def draw_night(amount: float, rng: np.random.Generator, *, lamps: float = 0.5) -> Night:
    """Draw a night.

    Args:
        amount: 0..1.
        rng: draws headlights and noise.
        lamps: strength of the own headlights at most.
    """
    shine, aim = float(rng.uniform(0.3, 1.0) * lamps), float(rng.uniform(0.35, 0.65))
    return Night(amount, shine, aim, draw_key(rng))


def _headlights(size: tuple[int, int], view: View, aim: float) -> Share:
    """Return the pool of light (H, W) on the road: brightest ahead, fading to the sides and the horizon."""
    height, width = size
    span = max(view.ground - view.horizon, 1.0)
    rows = (np.arange(height, dtype=np.float32)[:, None] + 0.5 - np.float32(view.horizon)) / np.float32(span)
    columns = (np.arange(width, dtype=np.float32)[None] + 0.5) / np.float32(width) - np.float32(aim)
    along = np.clip(rows + 0.06, 0, None) * np.exp(-np.clip(rows, 0, None) / 0.45) * 4.0
    across = np.exp(-((columns / (0.16 + 0.28 * np.clip(rows, 0, 1))) ** 2))
    return np.asarray(along * across, dtype=np.float32)
