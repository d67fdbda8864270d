"""The chart of a learning-rate sweep: loss over rate, and where to look."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from terrazzo.figures.charts import BLUE, LINES
from terrazzo.figures.svg import INK, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEADROOM = 1.6
"""The axis ends so many times the first loss, so that the diverging end does not flatten the rest."""


def sweep_chart(
    rates: Sequence[float],
    losses: Sequence[float],
    smoothed: Sequence[float],
    marks: Mapping[str, float],
) -> str:
    """Draw the losses of a sweep, one by one and smoothed, over the learning rate (logarithmic).

    Args:
        rates: learning rates, rising.
        losses: the loss at each.
        smoothed: their running mean.
        marks: rates to mark by a line, name -> rate.
    """

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        axes.plot(rates, losses, linestyle="none", marker="o", markersize=3, color=BLUE, alpha=0.4)
        axes.plot(rates, smoothed, color=BLUE, linewidth=2, label="loss, smoothed")
        for (name, rate), (color, dash) in zip(marks.items(), LINES[1:], strict=False):
            axes.axvline(rate, color=color, linestyle=dash, linewidth=1.6, label=f"{name}: {rate:.2g}")
        axes.set(xscale="log", xlabel="learning rate", ylabel="training loss")
        axes.xaxis.set_major_formatter(lambda rate, _: f"{rate:g}".replace("e-0", "e-"))
        low, high = min((*smoothed, *losses)), HEADROOM * smoothed[0]
        axes.set_ylim(bottom=min(0.0, low), top=min(high, 1.05 * max((*smoothed, *losses))))
        axes.grid(axis="both", color=INK)
        axes.legend()

    said = "; ".join(f"{name} {rate:.2g}" for name, rate in marks.items()) or "no rate at which it falls"
    return draw("sweep", f"Training loss over a rising learning rate: {said}", (9.0, 4.2), paint)
