"""Charts of how far probabilities can be trusted: the reliability diagram and the risk-coverage curve.

Both take plain numbers, as `Calibration.reliability` and `Coverage.to_json` give them.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from terrazzo.figures.charts import LINES
from terrazzo.figures.svg import INK, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS: Final = ("o", "s", "^", "D", "v", "x")
Bins = Sequence[Mapping[str, Any]]


def reliability_diagram(models: Mapping[str, Bins], *, name: str = "reliability") -> str:
    """Draw accuracy over confidence, and below it the share of the pixels at each confidence.

    On the diagonal confidence is honest; below it the network is surer than it is right.

    Args:
        models: what is drawn -> its bins: `low`, `high`, `pixels`, mean `confidence` and `accuracy`,
            fractions in 0..1, None in a bin without pixels. Colour, dash and marker tell them apart.
        name: short and unique on the page.
    """

    def paint(figure: "Figure") -> None:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        upper.plot((0, 100), (0, 100), color=INK, linewidth=1, alpha=0.5)
        for bins, style in zip(models.items(), _styles(), strict=False):
            _paint_model(upper, lower, bins, style)
        upper.set(ylim=(0, 100), ylabel="accuracy, per cent")
        lower.set(xlim=(0, 100), xlabel="confidence, per cent", ylabel="pixels, %")
        lower.set_ylim(bottom=0)
        for axes in (upper, lower):
            axes.grid(axis="both", color=INK)
            axes.set_axisbelow(True)
        if models:
            figure.legend(loc="outside upper left", ncols=3)

    said = "; ".join(f"{title}: {_in_words(bins)}" for title, bins in models.items()) or "nothing measured"
    return draw(name, f"Reliability diagram, accuracy over confidence. {said}", (6.0, 6.4), paint)


def risk_coverage_chart(models: Mapping[str, Mapping[str, Any]], *, name: str = "risk-coverage") -> str:
    """Draw the error rate among the surest pixels over the share of pixels that is kept.

    Args:
        models: what is drawn -> what a coverage meter found: `curve` with `coverage` and `risk` in 0..1.
        name: short and unique on the page.
    """

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        for (title, found), (color, dash, _) in zip(models.items(), _styles(), strict=False):
            curve = found["curve"]
            coverage, risk = _percent(curve["coverage"]), _percent(curve["risk"])
            axes.plot(coverage, risk, color=color, linestyle=dash, linewidth=2, label=title)
        axes.set(xlim=(0, 100), xlabel="coverage: share of the pixels kept, the surest first, per cent")
        axes.set_ylabel("error rate among them, per cent")
        axes.set_ylim(bottom=0)
        axes.grid(axis="both", color=INK)
        if models:
            axes.legend()

    said = "; ".join(f"{title}: {_errors(found)}" for title, found in models.items()) or "nothing measured"
    return draw(name, f"Error rate over coverage. {said}", (6.6, 4.2), paint)


def _paint_model(upper: "Axes", lower: "Axes", model: tuple[str, Bins], style: tuple[str, Any, str]) -> None:
    """Draw one model: its points above, joined, and the pixels of its bins below."""
    (title, bins), (color, dash, marker) = model, style
    there = [row for row in bins if row["pixels"]]
    total = max(1, sum(row["pixels"] for row in bins))
    upper.plot(
        _percent([row["confidence"] for row in there]),
        _percent([row["accuracy"] for row in there]),
        color=color,
        linestyle=dash,
        marker=marker,
        markersize=5,
        linewidth=1.8,
        label=title,
    )
    edges = _percent([*(row["low"] for row in bins), *(row["high"] for row in bins[-1:])])
    shares = _percent([row["pixels"] / total for row in bins])
    lower.stairs(shares, edges, color=color, linestyle=dash, linewidth=1.8)


def _styles() -> list[tuple[str, Any, str]]:
    return [(color, dash, marker) for (color, dash), marker in zip(LINES, MARKERS, strict=True)]


def _in_words(bins: Bins) -> str:
    """Say which way the whole leans."""
    there = [row for row in bins if row["pixels"]]
    total = sum(row["pixels"] for row in there)
    if not total:
        return "no pixels"
    confidence, accuracy = (
        sum(row[key] * row["pixels"] for row in there) / total for key in ("confidence", "accuracy")
    )
    return f"mean confidence {100 * confidence:.1f} %, accuracy {100 * accuracy:.1f} %"


def _errors(found: Mapping[str, Any]) -> str:
    curve = dict(zip(found["curve"]["coverage"], found["curve"]["risk"], strict=True))
    said = [
        f"{100 * risk:.1f} % wrong at {100 * kept:.0f} %"
        for kept, risk in curve.items()
        if round(100 * kept) in {90, 95, 100} and risk is not None
    ]
    return ", ".join(said) or "no pixels"


def _percent(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else 100 * value for value in values], dtype=np.float64)
