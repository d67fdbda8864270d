"""How often `terrazzo compare` is wrong, and how often its 95 % interval holds the truth, on made-up pairs.

    python -m benchmarks.compare_simulation [--pairs 1000]

A pair is two models on the same images of 11 classes, as confusion counts drawn from a population whose mIoU
is known. What makes images hard is common to both models. The rarest class is in one image of ten. Images are
independent, or alike within scenes, or follow each other in one sequence (autoregressive, the correlation of
neighbours given). For each design: how often a difference was claimed where there is none, and how often the
interval of a true difference of some points, and that of a single score, held the truth. Beside it the
same for the plain percentile bootstrap, and for the jackknife with Student's t alone.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from terrazzo.core.randomness import Stream, generator
from terrazzo.metrics.intervals import interval_ends
from terrazzo.metrics.paired import paired_margins
from terrazzo.metrics.resample import draws, jackknife, student
from terrazzo.metrics.scores import Floats, Margins, mean_iou
from terrazzo.metrics.units import Units, find_units

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

Ends = tuple[float, float]


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


def methods(runs: list[list[Margins]], units: Units, seed: int, *, others: bool = True) -> dict[str, Ends]:
    """Return the 95 % interval of b - a by each method; of a alone where one side is given."""
    if len(runs) == 2:
        ours = paired_margins(runs[0], runs[1], units, statistic=mean_iou, resamples=1000, seed=seed)
        found = {"ours": (float(ours.low), float(ours.high))}
    else:
        found = {"ours": interval_ends(runs[0][0], units, mean_iou, resamples=1000, seed=seed)}
    if not others or len(runs[0]) > 1:
        return found
    return found | _others([side[0] for side in runs], units, seed)


def _others(sides: list[Margins], units: Units, seed: int) -> dict[str, Ends]:
    """Return the intervals that were not chosen."""
    signs = (-1, 1) if len(sides) == 2 else (1,)
    parts, wholes = [units.sums(side) for side in sides], [side.total() for side in sides]

    def combined(margins: list[Margins]) -> Floats:
        return np.asarray(sum(s * mean_iou(m) for s, m in zip(signs, margins, strict=True)))

    left_out = combined([whole.minus(part) for whole, part in zip(wholes, parts, strict=True)])
    spread = jackknife(left_out, units)
    error, middle = np.sqrt(spread.variance), combined(wholes)
    drawn = np.concatenate([combined([p.weighted(w) for p in parts]) for w in draws(units, 1000, seed)])
    low, high = np.percentile(drawn, (2.5, 97.5))
    plain = error * student(np.asarray(units.independent - 1), 0.95)
    heavy = error * student(spread.freedom, 0.95)
    return {
        "percentile bootstrap": (float(low), float(high)),
        "jackknife, t": (float(middle - plain), float(middle + plain)),
        "jackknife, t by kurtosis": (float(middle - heavy), float(middle + heavy)),
    }


def trials(design: Design, pairs: int) -> Iterator[dict[str, dict[str, Ends]]]:
    """Draw pairs: the intervals of no difference, of a true difference, and of a single score."""
    units = find_units([f"{i:06d}" for i in range(design.images)], design.groups)
    for pair in range(pairs):
        alike = models(Draw(design, generator(0, Stream.BOOTSTRAP, 2, pair)), 0.0, design.runs)
        apart = models(Draw(design, generator(0, Stream.BOOTSTRAP, 3, pair)), BETTER, design.runs)
        intervals = {"null": methods(alike, units, pair), "difference": methods(apart, units, pair)}
        alone = {"score": methods([apart[0][:1]], units, pair)}
        yield intervals | (alone if design.runs == 1 else {})


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


def judge(design: Design, pairs: int, true: dict[str, float]) -> dict[str, Any]:
    """Return, for each method, how often it was right and how wide its interval was in points (median)."""
    found: dict[str, dict[str, list[Ends]]] = {}
    for trial in trials(design, pairs):
        for what, intervals in trial.items():
            for method, ends in intervals.items():
                found.setdefault(method, {}).setdefault(what, []).append(ends)
    return {method: _rates(kinds, true) for method, kinds in found.items()}


def _rates(kinds: dict[str, list[Ends]], true: dict[str, float]) -> dict[str, float]:
    ends: dict[str, NDArray[np.float64]] = {what: np.array(pairs) for what, pairs in kinds.items()}
    held = {w: float(np.mean((e[:, 0] <= true[w]) & (true[w] <= e[:, 1]))) for w, e in ends.items()}
    return {
        "wrong_verdicts": round(1 - held["null"], 4),
        "coverage_difference": held["difference"],
        "width_difference_points": round(100 * float(np.median(np.diff(ends["difference"]))), 2),
    } | (
        {
            "coverage_score": held["score"],
            "width_score_points": round(100 * float(np.median(np.diff(ends["score"]))), 2),
        }
        if "score" in ends
        else {}
    )


def main() -> None:
    """Run all designs and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/compare_simulation.json"))
    given = parser.parse_args()
    true = truths()
    results = []
    for design in DESIGNS:
        row = {"design": asdict(design), "methods": judge(design, given.pairs, true)}
        results.append(row)
        print(design.name)
        for method, rates in row["methods"].items():
            print(f"   {method:24}", *(f"{key} {value:.3f} " for key, value in rates.items()), flush=True)
    facts = {
        "pairs": given.pairs,
        "true_points": {key: 100 * v for key, v in true.items()},
        "results": results,
    }
    given.out.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
