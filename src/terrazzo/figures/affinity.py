"""The charts of an augmentation study: scores with intervals, and affinity against diversity."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from terrazzo.figures.charts import BLUE, LINES
from terrazzo.figures.svg import INK, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SHAPES: Final = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")


@dataclass(frozen=True)
class Point:
    """One trial as it is drawn; fractions and ratios, NaN where undefined."""

    policy: str
    strength: float
    miou: float
    low: float
    high: float
    affinity: float
    diversity: float


def study_scores(points: Sequence[Point], clean: tuple[float, float, float]) -> str:
    """Draw the score of every trial with its interval, best on top, and where the clean run stands.

    Args:
        points: in the order to be drawn, from top to bottom.
        clean: (mIoU, low, high) of the run without augmentation.
    """

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        rows = range(len(points))
        miou = [100 * point.miou for point in points]
        below = [100 * max(0.0, p.miou - p.low) for p in points]
        above = [100 * max(0.0, p.high - p.miou) for p in points]
        middle, low, high = (100 * value for value in clean)
        if not (math.isnan(low) or math.isnan(high)):
            axes.axvspan(low, high, color=LINES[5][0], alpha=0.15, linewidth=0)
        axes.axvline(middle, color=LINES[1][0], linestyle="--", label=f"without augmentation: {middle:.1f}")
        axes.errorbar(
            miou, rows, xerr=[below, above], fmt="o", color=BLUE, markersize=5, capsize=3, elinewidth=1.2
        )
        axes.set_yticks(list(rows), [_label(point) for point in points])
        axes.set(xlabel="validation mIoU, per cent, with 95% interval")
        axes.set_ylim(len(points) - 0.4, -0.6)
        axes.grid(axis="x")
        figure.legend(loc="outside upper left")

    said = "; ".join(f"{_label(p)} {100 * p.miou:.1f} %" for p in points)
    return draw("study-scores", f"Validation mIoU per policy: {said}", (8.0, 1.4 + 0.3 * len(points)), paint)


def affinity_chart(points: Sequence[Point]) -> str:
    """Draw affinity against diversity: a shape per policy, a number per strength, darker for better scores.

    Args:
        points: trials; those without affinity or diversity are left out.
    """
    shown = [p for p in points if not (math.isnan(p.affinity) or math.isnan(p.diversity))]
    names = list(dict.fromkeys(point.policy for point in shown))

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        for number, name in enumerate(names):
            mine = [point for point in shown if point.policy == name]
            _paint_policy(axes, mine, name, number)
        scores = [point.miou for point in shown]
        low, high = min(scores, default=0), max(scores, default=1)
        for point in shown:
            share = (point.miou - low) / (high - low) if high > low else 1.0
            shape = _SHAPES[names.index(point.policy) % len(_SHAPES)]
            axes.scatter(
                point.affinity, point.diversity, s=70, marker=shape, color=BLUE, alpha=0.15 + 0.8 * share
            )
            axes.annotate(
                f"{point.strength:g}", (point.affinity, point.diversity), (6, 5), textcoords="offset points"
            )
        axes.axvline(1.0, color=INK, alpha=0.3, linewidth=1)
        axes.axhline(1.0, color=INK, alpha=0.3, linewidth=1)
        axes.set(xlabel="affinity: 1 is no shift of the data", ylabel="diversity: 1 is no harder to learn")
        axes.margins(0.12)
        axes.grid(axis="both")
        if names:
            figure.legend(loc="outside right upper")

    said = "; ".join(f"{_label(p)}: affinity {p.affinity:.2f}, diversity {p.diversity:.2f}" for p in shown)
    return draw("study-affinity", f"Affinity against diversity. {said or 'No trial yet'}", (8.6, 5.0), paint)


def _paint_policy(axes: "Axes", mine: Sequence[Point], name: str, number: int) -> None:
    """Draw the outline of a policy's points, joined by strength; it also makes the legend."""
    ordered = sorted(mine, key=lambda point: point.strength)
    axes.plot(
        [point.affinity for point in ordered],
        [point.diversity for point in ordered],
        marker=_SHAPES[number % len(_SHAPES)],
        markersize=8.5,
        markerfacecolor="none",
        markeredgecolor=INK,
        color=INK,
        linewidth=0.8,
        linestyle=":",
        label=name,
    )


def _label(point: Point) -> str:
    return f"{point.policy} {point.strength:g}"
