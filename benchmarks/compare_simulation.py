"""How often `terrazzo compare` is wrong, and how often its 95 % interval holds the truth, on made-up pairs.

    python -m benchmarks.compare_simulation [--pairs 1000]

The pairs are those of `benchmarks/compare_population.py`. For each design: how often a difference was claimed
where there is none, and how often the interval of a true difference of some points, and that of a single
score, held the truth. Beside it the same for the plain percentile bootstrap, and for the jackknife with
Student's t alone.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.compare_population import BETTER, DESIGNS, Design, Draw, models, truths
from benchmarks.pages import fill
from terrazzo.core.randomness import Stream, generator
from terrazzo.metrics.intervals import interval_ends
from terrazzo.metrics.paired import paired_margins
from terrazzo.metrics.resample import draws, jackknife, student
from terrazzo.metrics.scores import Floats, Margins, mean_iou
from terrazzo.metrics.units import Units, find_units

PAGE = Path("docs/compare.md")
RESULTS = Path("benchmarks/results/compare_simulation.json")

Ends = tuple[float, float]
"""Of an interval."""


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


def table(results: list[dict[str, Any]]) -> str:
    """Return the table of `docs/compare.md`: shares in per cent, ours and the plain bootstrap beside it."""
    lines = [
        "| images | wrong, ours | held | held, of one score | wrong, percentile bootstrap | held |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row in results:
        ours, plain = row["methods"]["ours"], row["methods"].get("percentile bootstrap", {})
        shares = (
            ours["wrong_verdicts"],
            ours["coverage_difference"],
            ours.get("coverage_score"),
            plain.get("wrong_verdicts"),
            plain.get("coverage_difference"),
        )
        cells = ["" if share is None else f"{100 * share:.1f}" for share in shares]
        lines.append(f"| {row['design']['name']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run all designs and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=RESULTS)
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
    if given.out == RESULTS:  # a short trial elsewhere leaves the page alone
        fill(PAGE, "simulation", table(results))


if __name__ == "__main__":
    main()
