"""The charts of the reports: class bars, confusion heat map, training curves, each one `<svg>` string.

Colours are Okabe and Ito's colour-blind-safe ones, and nothing is told by colour alone: lines differ in
dash, points in shape, cells carry their number.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from terrazzo.figures.svg import INK, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE: Final = "#3a86c8"
LINES: Final = (
    (BLUE, "-"),
    ("#d55e00", "--"),
    ("#009e73", "-."),
    ("#cc79a7", ":"),
    ("#e69f00", (0, (5, 1, 1, 1, 1, 1))),
    ("#7b7b7b", (0, (1, 3))),
)
MAX_NUMBERED_CLASSES = 24
"""Beyond so many classes the cells of the heat map are too small for numbers."""

MAX_POINTS = 250
"""Points drawn per curve; longer histories are averaged in equal runs."""

History = Sequence[Mapping[str, Any]]


def class_bars(
    names: Sequence[str],
    iou: Sequence[float | None],
    precision: Sequence[float | None],
    recall: Sequence[float | None],
) -> str:
    """Draw IoU as bars, best class on top, with precision and recall as marks on the same axis.

    Args:
        names: class names.
        iou: fractions in 0..1 in the order of the names; None (undefined) has no bar and stands last.
        precision: fractions or None.
        recall: fractions or None.
    """
    order = sorted(range(len(names)), key=lambda k: -1.0 if iou[k] is None else float(iou[k] or 0))
    rows = np.arange(len(order))

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        values = _percent([iou[k] for k in order])
        axes.barh(rows, np.nan_to_num(values), height=0.62, color=BLUE, alpha=0.85, label="IoU")
        for marks, shape, label in ((precision, ">", "precision"), (recall, "o", "recall")):
            axes.plot(
                _percent([marks[k] for k in order]),
                rows,
                linestyle="none",
                marker=shape,
                markersize=5.5,
                markerfacecolor="none",
                markeredgecolor=INK,
                label=label,
            )
        for row, value in zip(rows, values, strict=True):
            text = "absent" if math.isnan(value) else f"{value:.1f}"
            axes.annotate(text, (102, row), va="center", annotation_clip=False)
        axes.set_yticks(rows, [_short(names[k]) for k in order])
        axes.set(xlim=(0, 100), ylim=(-0.7, len(order) - 0.3), xlabel="per cent")
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        axes.spines["left"].set_visible(False)
        axes.tick_params(left=False)
        figure.legend(loc="outside upper left", ncols=3)

    alternative = "IoU per class, best first: " + "; ".join(
        f"{names[k]} {'absent' if iou[k] is None else f'{100 * float(iou[k] or 0):.1f} %'}"
        for k in order[::-1]
    )
    return draw("bars", alternative, (6.6, 1.0 + 0.33 * len(names)), paint)


def confusion_heat_map(matrix_KK: NDArray[np.int64], names: Sequence[str]) -> str:
    """Draw where the pixels of each true class went: every row adds up to 100 %.

    Args:
        matrix_KK: (K, K) pixel counts, rows = truth, columns = prediction; an empty row is crossed out.
        names: the K class names.
    """
    total_K1 = matrix_KK.sum(axis=1, keepdims=True)
    share = np.divide(100.0 * matrix_KK, total_K1, out=np.full(matrix_KK.shape, np.nan), where=total_K1 > 0)
    side = min(11.0, 2.4 + 0.5 * len(names))

    def paint(figure: "Figure") -> None:
        axes = figure.subplots()
        axes.imshow(_shade(share), interpolation="nearest")
        _number_cells(axes, share)
        ticks, words = np.arange(len(names)), [_short(n) for n in names]
        points = min(11.0, 60 * (side - 2.4) / len(names))  # as high as a row, where rows are low
        axes.set_xticks(ticks, words, rotation=45, ha="right", rotation_mode="anchor", fontsize=points)
        axes.set_yticks(ticks, words, fontsize=points)
        axes.set(xlabel="predicted as", ylabel="ground truth")
        axes.set_xticks(ticks[1:] - 0.5, minor=True)
        axes.set_yticks(ticks[1:] - 0.5, minor=True)
        axes.grid(which="minor", linewidth=0.7)
        axes.tick_params(which="both", length=0)
        axes.spines[:].set(visible=True, alpha=0.3)

    return draw("confusion", _worst_confusions(share, names), (side + 0.5, side), paint)


def training_curves(history: History) -> str:
    """Draw loss, validation scores, learning rate and speed over steps; "" where nothing is to draw.

    Args:
        history: the rows of `log.csv`, numbers or text; empty and unreadable cells are gaps. Keys: `step`
            (else the row's number), `loss` and `loss/...`, `val/...`, `lr` and `lr/...`, `images_per_s`.
    """
    columns = _columns(history)
    steps = columns.pop("step", np.arange(len(history), dtype=np.float64))
    panels = [
        (title, found)
        for family, title in _PANELS.items()
        if (found := {key: v for key, v in columns.items() if key.split("/")[0] == family})
    ]
    if not panels:
        return ""

    def paint(figure: "Figure") -> None:
        rows = -(-len(panels) // 2)
        grid = figure.subplots(rows, min(2, len(panels)), squeeze=False)
        for axes, (title, curves) in zip(grid.flat, panels, strict=False):
            _paint_curves(axes, title, steps, curves)
        for axes in list(grid.flat)[len(panels) :]:
            axes.set_visible(False)

    alternative = "Training curves over steps: " + ", ".join(title for title, _ in panels)
    return draw("training", alternative, (7.5 * min(2, len(panels)), 3.2 * -(-len(panels) // 2)), paint)


_PANELS: Final = {
    "loss": "training loss",
    "val": "validation",
    "lr": "learning rate",
    "images_per_s": "images per second",
}
"""What the columns before the first slash belong to -> title of its panel."""


def _columns(history: History) -> dict[str, NDArray[np.float64]]:
    """Turn rows into columns of floats, NaN for what is no finite number; empty columns are left out."""
    keys = dict.fromkeys(key for row in history for key in row)
    columns = {key: np.array([_number(row.get(key)) for row in history]) for key in keys}
    return {key: values for key, values in columns.items() if not np.isnan(values).all()}


def _number(cell: Any) -> float:
    try:
        value = float(cell)
    except (TypeError, ValueError):
        return math.nan
    return value if math.isfinite(value) else math.nan


def _paint_curves(
    axes: "Axes", title: str, steps: NDArray[np.float64], curves: Mapping[str, NDArray[np.float64]]
) -> None:
    for (key, values), (color, dash) in zip(curves.items(), LINES, strict=False):
        there = ~(np.isnan(values) | np.isnan(steps))
        x, y = _averaged(steps[there]), _averaged(values[there])
        axes.plot(
            x,
            y,
            color=color,
            linestyle=dash,
            linewidth=1.6,
            label=key,
            marker="o" if len(x) < 40 else "",
            markersize=3,
        )
    axes.set_title(title)
    axes.set_xlabel("step")
    axes.grid(axis="y")
    axes.margins(x=0.02)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    if set(curves) - set(_PANELS):  # the title says it all where there is but one plain column
        axes.legend()


def _averaged(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Reduce to at most MAX_POINTS by averaging runs of equal length (the last may be shorter)."""
    run = -(-len(values) // MAX_POINTS) or 1
    return np.array([values[start : start + run].mean() for start in range(0, len(values), run)])


def _shade(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Paint shares (K, K) in 0..100 as one blue, clear to full: RGBA (K, K, 4), for any page colour."""
    clear = np.nan_to_num(share) / 100
    blue = np.array([0x1F, 0x5F, 0xA3]) / 255
    # The square root lets a confusion of a few per cent be seen.
    return np.dstack([np.broadcast_to(blue, (*share.shape, 3)), np.sqrt(clear)])


def _number_cells(axes: "Axes", share: NDArray[np.float64]) -> None:
    """Write the per cent into the cells, white where the blue is strong, and cross out empty rows."""
    if len(share) > MAX_NUMBERED_CLASSES:
        return
    for (row, column), value in np.ndenumerate(share):
        if math.isnan(value):
            axes.text(column, row, "×", ha="center", va="center", fontsize=9.5)
        elif value >= 0.5:
            color = "white" if value > 45 else INK
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=9.5, color=color)


def _worst_confusions(share: NDArray[np.float64], names: Sequence[str]) -> str:
    """Say in words what a reader would look for: the largest shares off the diagonal."""
    off = np.nan_to_num(share.copy())
    np.fill_diagonal(off, 0)
    largest = [divmod(int(i), len(names)) for i in np.argsort(-off, axis=None, kind="stable")[:3]]
    said = [f"{names[r]} taken for {names[c]}: {off[r, c]:.0f} %" for r, c in largest if off[r, c] > 0]
    return "Confusion matrix, share of each true class. Largest: " + ("; ".join(said) or "no confusion")


def _percent(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array([math.nan if v is None else 100 * v for v in values], dtype=np.float64)


def _short(name: str, limit: int = 24) -> str:
    return name if len(name) <= limit else name[: limit - 1] + "…"
