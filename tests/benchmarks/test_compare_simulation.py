"""That `terrazzo compare` claims no difference where there is none, and that its intervals hold the truth."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from benchmarks.compare_population import BETTER, DESIGNS, Design, Draw, models, truths
from benchmarks.compare_simulation import judge, methods, table
from terrazzo.core.randomness import Stream, generator
from terrazzo.metrics.units import find_units

RESULTS = Path("benchmarks/results/compare_simulation.json")
HARD = {"100 frames, lag-1 correlation 0.7", "100 frames, lag-1 correlation 0.9"}
"""Too few frames that are too alike: the docs say how far an interval falls short there."""

NAMED = {design.name: design for design in DESIGNS}


def rows() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(RESULTS.read_text())["results"] if RESULTS.exists() else []
    return found


@pytest.mark.parametrize("name", ["100 images", "20 scenes of 5", "100 frames, lag-1 correlation 0.5"])
def test_compare__is_seldom_wrong_where_there_is_no_difference(name: str) -> None:
    design, pairs = NAMED[name], 150
    units = find_units([f"{i:06d}" for i in range(design.images)], design.groups)
    wrong = 0
    for pair in range(pairs):
        runs = models(Draw(design, generator(1, Stream.BOOTSTRAP, 2, pair)), 0.0)
        low, high = methods(runs, units, pair, others=False)["ours"]
        wrong += not low <= 0 <= high
    assert wrong <= stats.binom.ppf(0.99, pairs, 0.06)


def test_models__are_equally_good_unless_one_is_better() -> None:
    draw = Draw(Design("many", 20_000), generator(0, Stream.BOOTSTRAP, 9))
    for better, wanted in ((0.0, 0.0), (BETTER, 0.04)):
        (a,), (b,) = models(draw, better)
        gain = b.hits.sum(axis=0) / b.truth.sum(axis=0) - a.hits.sum(axis=0) / a.truth.sum(axis=0)
        assert gain.mean() == pytest.approx(wanted, abs=0.01)
        np.testing.assert_array_equal(a.truth, b.truth)


@pytest.mark.parametrize("row", rows(), ids=lambda row: str(row["design"]["name"]))
def test_results__keep_what_is_promised(row: dict[str, Any]) -> None:
    ours = row["methods"]["ours"]
    if row["design"]["name"] in HARD:
        assert ours["coverage_difference"] > row["methods"]["percentile bootstrap"]["coverage_difference"]
        return
    assert ours["wrong_verdicts"] <= 0.06
    assert 0.93 <= ours["coverage_difference"] <= 0.98
    assert ours.get("coverage_score", 0.95) >= 0.93


def test_docs__hold_the_table_of_the_results() -> None:
    assert table(rows()) in Path("docs/compare.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["100 images", "20 scenes of 5", "100 frames, lag-1 correlation 0.5"])
def test_compare__over_a_thousand_pairs(name: str) -> None:
    ours = judge(NAMED[name], 1000, truths())["ours"]
    assert ours["wrong_verdicts"] <= 0.06
    assert 0.93 <= ours["coverage_difference"] <= 0.97
    assert 0.93 <= ours["coverage_score"] <= 0.97
