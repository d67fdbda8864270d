"""Made-up pairs of models on the same images, as confusion counts from a population whose mIoU is known.

11 classes, the rarest in one image of ten. What makes an image hard is common to both models. Images are
independent, or alike within scenes, or follow each other in one sequence (autoregressive).

Shapes: N images, K classes.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from terrazzo.core.randomness import Stream, generator
from terrazzo.metrics.scores import Floats, Margins, mean_iou

PRESENT = np.array([1, 1, 0.95, 0.9, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])
"""Share of the images in which each class is."""

SIZE = np.array([30, 25, 12, 10, 8, 5, 3, 2, 2, 1, 0.5])
"""Of the pixels, where the class is, relative to the others."""

SKILL = np.array([3, 2.8, 2.5, 2.2, 2, 1.5, 1.2, 1, 0.8, 0.6, 0.4])
"""Log-odds that a pixel of the class is found, in an image that is neither easy nor hard."""

PIXELS = 172_800
CLASSES = len(SIZE)
POPULATION = 200_000
"""Images from which the true scores are taken: their standard error is a fiftieth of a point."""

BETTER = 0.3
"""Log-odds by which the second model is better where there is a difference: about 5 points."""

SEED = 0.15
"""Log-odds by which a class is found more or less easily by another run of a recipe."""


@dataclass(frozen=True)
class Design:
    """What the images are."""

    name: str
    images: int
    scenes: int = 0
    """0: none."""

    alike: float = 0.6
    """Share of the variance that a scene's images have in common."""

    runs: int = 1
    """Of each recipe."""

    lag_one: float | None = None
    """Correlation of neighbouring frames; None: no sequence."""

    @property
    def groups(self) -> list[str | None]:
        """The group of each image."""
        if self.lag_one is not None:
            return ["sequence"] * self.images
        return [f"scene{i * self.scenes // self.images}" if self.scenes else None for i in range(self.images)]


DESIGNS = (
    Design("30 images", 30),
    Design("100 images", 100),
    Design("500 images", 500),
    Design("100 images, 2 runs each", 100, runs=2),
    Design("100 images, 5 runs each", 100, runs=5),
    Design("5 scenes of 20", 100, scenes=5),
    Design("10 scenes of 10", 100, scenes=10),
    Design("20 scenes of 5", 100, scenes=20),
    Design("50 scenes of 10", 500, scenes=50),
    Design("100 frames, lag-1 correlation 0", 100, lag_one=0.0),
    Design("100 frames, lag-1 correlation 0.5", 100, lag_one=0.5),
    Design("100 frames, lag-1 correlation 0.7", 100, lag_one=0.7),
    Design("400 frames, lag-1 correlation 0.7", 400, lag_one=0.7),
    Design("100 frames, lag-1 correlation 0.9", 100, lag_one=0.9),
)


class Draw:
    """Normal numbers of variance 1, (N, *shape), dependent over the images as the design says."""

    def __init__(self, design: Design, random: np.random.Generator) -> None:
        self.design, self.random = design, random

    def __call__(self, shape: tuple[int, ...]) -> Floats:
        """Draw what differs from image to image."""
        design = self.design
        own = self.random.standard_normal((design.images, *shape))
        if design.lag_one is not None:
            return _autoregressive(own, design.lag_one)
        if not design.scenes:
            return own
        common = self.random.standard_normal((design.scenes, *shape))
        common = common.repeat(design.images // design.scenes, axis=0)
        return np.asarray(np.sqrt(design.alike) * common + np.sqrt(1 - design.alike) * own)

    def seed(self) -> Floats:
        """Draw what differs from run to run: (K,) log-odds."""
        return SEED * self.random.standard_normal(CLASSES)


def models(draw: Draw, better: float, runs: int = 1) -> list[list[Margins]]:
    """Draw two recipes' runs on the same images: the margins (N, K) of each run."""
    share = SIZE * np.exp(0.6 * draw((CLASSES,))) * (draw((CLASSES,)) < ndtri(PRESENT))
    truth = np.round(PIXELS * share / share.sum(axis=1, keepdims=True))
    hard = 0.6 * draw((1,)) + 0.4 * draw((CLASSES,))
    return [
        [_model(truth, hard, plus + (draw.seed() if runs > 1 else 0.0), draw) for _ in range(runs)]
        for plus in (0.0, better)
    ]


def _model(truth: Floats, hard: Floats, better: float | Floats, draw: Draw) -> Margins:
    """Draw what one model finds, and where it puts what it misses: on what is there, and on anything."""
    odds = SKILL + better + hard + 0.3 * draw((1,)) + 0.4 * draw((CLASSES,))
    hits = np.round(truth / (1 + np.exp(-odds)))
    there = truth / truth.sum(axis=1, keepdims=True)
    taken = 0.7 * there + 0.3 * SIZE / SIZE.sum() * np.exp(0.5 * draw((CLASSES,)))
    missed = (truth - hits).sum(axis=1, keepdims=True)
    return Margins(hits, truth, hits + missed * taken / taken.sum(axis=1, keepdims=True))


def _autoregressive(noise: Floats, lag_one: float) -> Floats:
    """Let each frame (N, ...) resemble the one before."""
    frames = [noise[0]]
    for step in noise[1:]:
        frames.append(lag_one * frames[-1] + np.sqrt(1 - lag_one**2) * step)
    return np.stack(frames)


def truths() -> dict[str, float]:
    """Return the population's values: of a pair alike, of one apart, and of a single model."""
    random = generator(0, Stream.BOOTSTRAP, 4)
    sums = [[np.zeros(CLASSES) for _ in range(3)] for _ in range(2)]
    part = Design("population", POPULATION // 20)
    for _ in range(20):
        for total, (model,) in zip(sums, models(Draw(part, random), BETTER), strict=True):
            for i, values in enumerate(model.parts):
                total[i] += values.sum(axis=0)
    a, b = (float(mean_iou(Margins(*total))) for total in sums)
    return {"null": 0.0, "difference": b - a, "score": a}
