import numpy as np
import pytest

from terrazzo.core.labels import RGB
from terrazzo.datasets.camvid import LABELS as CAMVID
from terrazzo.datasets.scenes import LABELS as SCENES
from terrazzo.figures import distinguishable
from terrazzo.figures.palette import as_seen, distance


def nearest(colors: list[RGB]) -> float:
    gaps = distance(colors, colors)
    np.fill_diagonal(gaps, np.inf)
    return float(gaps.min())


@pytest.mark.parametrize("labels", [CAMVID, SCENES])
def test_distinguishable__datasets_colours_become_apart_in_every_vision(labels: object) -> None:
    own = [entry.color for entry in getattr(labels, "classes")]  # noqa: B009
    assert nearest(own) < 10
    moved = distinguishable(own)
    assert nearest(moved) >= 24
    assert sum(a == b for a, b in zip(own, moved, strict=True)) >= len(own) // 2


def test_distinguishable__leaves_clear_colours_alone() -> None:
    clear = [(0, 0, 0), (255, 255, 255), (0, 90, 220), (250, 200, 0)]
    assert distinguishable(clear) == clear
    assert distinguishable([]) == []


@pytest.mark.parametrize(("count", "least"), [(19, 16), (150, 2)])
def test_distinguishable__many_random_colours(count: int, least: float) -> None:
    drawn = np.random.default_rng(0).integers(0, 256, (count, 3)).tolist()
    colors: list[RGB] = [(r, g, b) for r, g, b in drawn]
    assert nearest(distinguishable(colors)) >= least


def test_distinguishable__equal_colours_part() -> None:
    first, second = distinguishable([(10, 10, 10), (10, 10, 10)])
    assert first == (10, 10, 10)
    assert second != first


def test_as_seen__red_and_green_of_equal_lightness_fall_together_without_red_or_green_cones() -> None:
    common, _, deutan = np.linalg.norm(np.diff(as_seen([(190, 60, 0), (110, 110, 0)]), axis=1), axis=(1, 2))
    assert common > 60
    assert deutan < 15


def test_as_seen__white_and_black_are_the_ends_of_lightness() -> None:
    seen = as_seen([(255, 255, 255), (0, 0, 0)])
    assert seen[:, 0] == pytest.approx(np.tile([100, 0, 0], (3, 1)), abs=0.5)
    assert seen[:, 1] == pytest.approx(0, abs=1e-6)
