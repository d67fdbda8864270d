"""A network drawn as it runs: its feature maps by stride, what feeds which, and what one logit sees.

Nothing is drawn by hand: maps and arrows come from `models.wiring`, the heat map from
`models.receptive_field`.
"""

from collections.abc import Collection, Sequence
from math import log2
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.figures.svg import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from terrazzo.models.receptive_field import ReceptiveField
    from terrazzo.models.wiring import Node

COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#7b7b7b")
"""Okabe and Ito's, one per part of the network; arrows and rows carry the meaning without them."""

BLOCK = 4
"""Pixels along one side of what is averaged in the picture of a receptive field."""

Place = tuple[float, float]


def draw_architecture(
    path: str | Path, nodes: "Sequence[Node]", field: "ReceptiveField | None" = None, *, title: str = ""
) -> None:
    """Write a picture (the format is the suffix's: .png, .svg, .pdf).

    Args:
        path: the file.
        nodes: from `trace_wiring`, image first and logits last.
        field: adds what one logit sees.
        title: above the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    places = _places(nodes)
    columns = 1 + max(x for x, _ in places.values())
    wide = max(5.0, 0.75 * columns)
    figure = Figure(figsize=(wide + (4.2 if field else 0), 4.2), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    ratios = [wide, 4.2] if field else [wide]
    axes = figure.subplots(1, len(ratios), width_ratios=ratios, squeeze=False)[0]
    if title:
        figure.suptitle(title, color=INK, fontsize=11)
    _draw_maps(axes[0], nodes, places)
    if field is not None:
        _draw_field(axes[1], field)
    figure.savefig(path)


def _places(nodes: "Sequence[Node]") -> dict[str, Place]:
    """Return x (steps from the image) and y (coarser is lower) of each map; maps in one place fan out."""
    depth: dict[str, int] = {}
    by_name = {node.name: node for node in nodes}

    def steps(name: str) -> int:
        if name not in depth:
            depth[name] = 1 + max((steps(source) for source in by_name[name].feeds_on), default=-1)
        return depth[name]

    taken: dict[tuple[int, int], int] = {}
    places: dict[str, Place] = {}
    for node in nodes:
        cell = (steps(node.name), round(log2(node.stride)))
        crowd = taken.get(cell, 0)
        taken[cell] = crowd + 1
        places[node.name] = (float(cell[0]), -cell[1] - 0.36 * crowd)
    return places


def _draw_maps(axes: "Axes", nodes: "Sequence[Node]", places: dict[str, Place]) -> None:
    parts = list(dict.fromkeys(_part(node.name) for node in nodes[1:-1]))
    for node in nodes:
        for source in node.feeds_on:
            _arrow(axes, places[source], places[node.name], places.values())
    for node in nodes:
        inner = node not in (nodes[0], nodes[-1])
        color = COLORS[parts.index(_part(node.name)) % len(COLORS)] if inner else INK
        axes.text(
            *places[node.name],
            str(node.shape[0]),
            ha="center",
            va="center",
            fontsize=7,
            color="white" if inner else INK,
            bbox={"boxstyle": "round,pad=0.3", "fc": color if inner else "white", "ec": color},
        )
    _label_axes(axes, nodes, places)
    handles = [_handle(COLORS[number % len(COLORS)]) for number in range(len(parts))]
    axes.legend(
        handles, parts, loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=6, fontsize=7, frameon=False
    )


def _part(name: str) -> str:
    return name.partition(".")[0].partition("[")[0]


def _handle(color: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(color=color)


def _arrow(axes: "Axes", start: Place, end: Place, others: Collection[Place]) -> None:
    """Draw an arrow; along a row it bows around the maps between, by about the same height everywhere."""
    distance = end[0] - start[0]
    blocked = any(y == start[1] == end[1] and start[0] < x < end[0] for x, y in others)
    bow = min(0.25, 0.7 / distance) if blocked else 0.0
    axes.annotate(
        "",
        xy=end,
        xytext=start,
        arrowprops={
            "arrowstyle": "-|>,head_width=0.12,head_length=0.25",
            "color": "#8a8a8a",
            "lw": 0.8,
            "shrinkA": 9,
            "shrinkB": 9,
            "connectionstyle": f"arc3,rad={-bow}",
        },
    )


def _label_axes(axes: "Axes", nodes: "Sequence[Node]", places: dict[str, Place]) -> None:
    rows = sorted({round(log2(node.stride)) for node in nodes})
    axes.set_yticks(
        [-row for row in rows], [f"1/{2**row}" if row else "full size" for row in rows], fontsize=8
    )
    axes.set_ylim(min(y for _, y in places.values()) - 0.6, 0.6)
    axes.set_xlim(-0.6, max(x for x, _ in places.values()) + 0.6)
    axes.set_xticks([])
    for node in (nodes[0], nodes[-1]):
        x, y = places[node.name]
        axes.text(x, y + 0.3, node.name, ha="center", fontsize=7, color=INK)
    axes.grid(axis="y", color="#e4e4e4", lw=0.8)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.tick_params(length=0, colors=INK)


def _draw_field(axes: "Axes", field: "ReceptiveField") -> None:
    """Draw the gradient on a logarithmic scale, and the square that holds most of it."""
    from matplotlib.patches import Rectangle

    height, width = field.gradient_hw.shape
    blocks_hw = _block_means(field.gradient_hw)
    floor = float(blocks_hw.max()) * 1e-4
    axes.imshow(np.log10(np.maximum(blocks_hw, floor)), cmap="magma", extent=(0, width, height, 0))
    half = field.effective / 2
    axes.add_patch(
        Rectangle((width / 2 - half, height / 2 - half), 2 * half, 2 * half, fill=False, ec="#56b4e9", lw=1.5)
    )
    extent = "the whole image" if field.whole_image else " x ".join(map(str, field.extent)) + " pixels"
    axes.set_title(
        f"one logit sees {extent};\n95 % of its gradient in {field.effective} x {field.effective}",
        fontsize=8,
        color=INK,
    )
    axes.set_xticks([0, width])
    axes.set_yticks([0, height])
    axes.tick_params(labelsize=7, colors=INK)


def _block_means(gradient_HW: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return means over blocks of 4 x 4 pixels: the noise of a few draws is not worth its bytes."""
    height, width = (side // BLOCK * BLOCK for side in gradient_HW.shape)
    blocks = gradient_HW[:height, :width].reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    means: NDArray[np.float32] = blocks.mean(axis=(1, 3))
    return means
