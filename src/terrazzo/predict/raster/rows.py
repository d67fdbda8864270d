"""Tiles of a raster to finished rows: the sums of `tiled`, but of a few hundred rows at a time.

Rows of tiles are predicted from north to south. What later tiles cannot change any more is turned into labels
and dropped, so memory depends on the tile and the panel, never on the raster's height; a wide raster is cut
into panels of columns, so that it does not depend on the width either. Widening needs one logit on each side:
the sums reach that far beyond a panel, and the labels lag by one row of logits.

Shapes: K classes, H x W the raster, h x w its logits.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from terrazzo.core.prediction import Prediction, logits_size
from terrazzo.predict.tiles.tiled import Blend, Grid

SUMS_BYTES = 256 << 20
"""The most that the sums of one panel take, and with them which pixels hold data."""

AT_ONCE = 64
"""Rows of logits that are widened in one call."""

Read = Callable[[slice, slice], tuple[NDArray[Any], NDArray[np.bool_]]]
"""A window of the raster: pixels (n, m, C), and whether each holds data."""


@dataclass(frozen=True)
class Rows:
    """Finished rows of one panel."""

    first: int
    """Image row they begin with."""

    columns: slice
    """Image columns of the panel."""

    ids: NDArray[Any]
    """(n, m) train ids."""

    chance: NDArray[np.uint8] | None
    """(n, m) probability of the class, 0..255 for 0..1; None where it was not asked for."""

    valid: NDArray[np.bool_]
    """(n, m) whether there is data."""


@dataclass(frozen=True)
class Kind:
    """What the predictions of one run have in common."""

    num_classes: int
    stride: int
    align_corners: bool
    device: torch.device

    @classmethod
    def of(cls, prediction: Prediction) -> "Kind":
        """Read it off any prediction."""
        logits = prediction.logits
        return cls(logits.shape[1], prediction.stride, prediction.align_corners, logits.device)


def panels(grid: Grid, kind: Kind, step: int) -> list[slice]:
    """Cut the columns of a raster so that the sums of each panel stay below `SUMS_BYTES`."""
    rows = grid.tile // kind.stride + 2
    per_column = rows * (4 * kind.num_classes / kind.stride + kind.stride)
    width = max(int(SUMS_BYTES / per_column) // step, grid.tile // step) * step
    return [slice(x, min(x + width, grid.size[1])) for x in range(0, grid.size[1], width)]


class Panel:
    """Some columns of a raster, from the first unfinished row to the last.

    Args:
        grid: the tiles of the whole raster.
        kind: of the predictions.
        columns: image columns of this panel, from a whole stride on.
        done: image rows that are finished, 0 or what an earlier run reached.
        chance: whether the probability of the class is wanted.
    """

    def __init__(
        self, grid: Grid, kind: Kind, columns: slice, done: int = 0, *, chance: bool = False
    ) -> None:
        self.grid, self.kind, self.columns, self.chance = grid, kind, columns, chance
        self.height, width = logits_size(grid.size, kind.stride)
        self._left = max(columns.start // kind.stride - 1, 0)
        right = min(-(-columns.stop // kind.stride) + 1, width)
        self._finished = self.height if done >= grid.size[0] else done // kind.stride
        self._top = max(self._finished - 1, 0)
        rows = grid.tile // kind.stride + 2
        sums = torch.zeros((kind.num_classes, rows, right - self._left), device=kind.device)
        self._blend = Blend(sums, grid, kind.stride, origin=(self._top, self._left))
        self._valid = np.zeros((rows * kind.stride, columns.stop - columns.start), bool)
        self.tiles_of_row = [c for c, x in enumerate(grid.columns) if self._touches(x)]

    def _touches(self, x: int) -> bool:
        stride, sums = self.kind.stride, self._blend.sum_Khw
        right = int(self._left + sums.shape[2])
        return x < right * stride and x + self.grid.tile > self._left * stride

    @property
    def rows_of_tiles(self) -> range:
        """Return the rows of tiles that unfinished rows still need."""
        if self._finished >= self.height:
            return range(0)
        reach = self._top * self.kind.stride
        count = len(self.grid.rows)
        first = next(i for i, y in enumerate(self.grid.rows) if y + self.grid.tile > reach)
        return range(first, count)

    def run(
        self, read: Read, infer: Callable[[NDArray[Any]], Prediction], tick: Callable[[], None]
    ) -> Iterator[Rows]:
        """Predict what is left, and give rows as they are finished.

        Args:
            read: gives a window of the raster.
            infer: predicts a tile.
            tick: called after each tile; one without any data is not predicted.
        """
        for row in self.rows_of_tiles:
            for column in self.tiles_of_row:
                self._tile(row, column, read, infer)
                tick()
            final = self._final_after(row)
            while self._finished < final:
                yield self._emit(min(final, self._finished + AT_ONCE))
            self._shift(max(final - 1, 0))

    def _tile(self, row: int, column: int, read: Read, infer: Callable[[NDArray[Any]], Prediction]) -> None:
        rows, columns = self.grid.window(row, column)
        pixels, valid = read(rows, columns)
        self._note(rows, columns, valid)
        if valid.any() or self._data_beside(rows, columns, read):
            self._blend.add(infer(pixels), row, column)

    def _data_beside(self, rows: slice, columns: slice, read: Read) -> bool:
        """Say whether pixels around a tile without data are widened from its logits."""
        (height, width), stride = self.grid.size, self.kind.stride
        wider = (
            slice(max(rows.start - stride, 0), min(rows.stop + stride, height)),
            slice(max(columns.start - stride, 0), min(columns.stop + stride, width)),
        )
        return bool(read(*wider)[1].any())

    def _note(self, rows: slice, columns: slice, valid: NDArray[np.bool_]) -> None:
        """Keep which pixels of a tile hold data, as far as they lie in the rows at hand."""
        top = self._top * self.kind.stride
        y0, x0 = max(rows.start, top), max(columns.start, self.columns.start)
        y1, x1 = min(rows.stop, top + len(self._valid)), min(columns.stop, self.columns.stop)
        if y0 < y1 and x0 < x1:
            left = self.columns.start
            part = valid[y0 - rows.start : y1 - rows.start, x0 - columns.start : x1 - columns.start]
            self._valid[y0 - top : y1 - top, x0 - left : x1 - left] = part

    def _final_after(self, row: int) -> int:
        """Return how many rows of logits can be widened once a row of tiles is added."""
        if row + 1 == len(self.grid.rows):
            return self.height
        return self.grid.rows[row + 1] // self.kind.stride - 1

    def _emit(self, final: int) -> Rows:
        """Widen the logits up to row `final`."""
        stride, size, begin = self.kind.stride, self.grid.size, self._finished
        first, last = max(begin - 1, 0), min(final + 1, self.height)
        chunk_Knw = self._blend.sum_Khw[:, first - self._top : last - self._top]
        box = (
            slice(first * stride, min(last * stride, size[0])),
            slice(self._left * stride, min((self._left + chunk_Knw.shape[2]) * stride, size[1])),
        )
        ids, chance = _widen(chunk_Knw, box, self.grid.size, self.kind, self.chance)
        rows = slice(begin * stride, min(final * stride, size[0]))
        kept = (
            slice(rows.start - box[0].start, rows.stop - box[0].start),
            slice(self.columns.start - box[1].start, self.columns.stop - box[1].start),
        )
        top = self._top * stride
        valid = self._valid[rows.start - top : rows.stop - top].copy()
        self._finished = final
        return Rows(rows.start, self.columns, ids[kept], None if chance is None else chance[kept], valid)

    def _shift(self, top: int) -> None:
        """Move the rows from `top` on to the start, and clear the rest."""
        by, sums, stride = top - self._top, self._blend.sum_Khw, self.kind.stride
        if by <= 0:
            return
        kept = max(sums.shape[1] - by, 0)
        for sum_hw in sums:  # one class at a time, as moving takes a copy
            sum_hw[:kept] = sum_hw[by:].clone()
            sum_hw[kept:] = 0
        self._valid[: kept * stride] = self._valid[by * stride :].copy()
        self._valid[kept * stride :] = False
        self._top = top
        self._blend.origin = (top, self._left)


def _widen(
    logits_Knw: Tensor, box: tuple[slice, slice], size: tuple[int, int], kind: Kind, chance: bool
) -> tuple[NDArray[Any], NDArray[np.uint8] | None]:
    """Return labels and, if wanted, probabilities 0..255 of a box of pixels from its part of the logits."""
    from terrazzo.kernels import upsample_argmax

    shape = box[0].stop - box[0].start, box[1].stop - box[1].start
    with torch.inference_mode():
        if kind.align_corners and kind.stride > 1:
            return _stretch(logits_Knw, box, size, kind.stride)
        if not chance:
            return upsample_argmax(logits_Knw[None], shape, stride=kind.stride)[0].cpu().numpy(), None
        ids_1nm, chance_1nm = upsample_argmax(
            logits_Knw[None], shape, stride=kind.stride, probability="uint8"
        )
    return ids_1nm[0].cpu().numpy(), chance_1nm[0].cpu().numpy()


def _stretch(
    logits_Knw: Tensor, box: tuple[slice, slice], size: tuple[int, int], stride: int
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Do the same with align_corners=True, where a pixel's place among the logits depends on the whole image.

    Logit i of h lies at pixel i * (h * stride - 1) / (h - 1) of the padded image, see `core.upsample`.
    """
    first, share = zip(
        *(_places(part, side, stride) for part, side in zip(box, size, strict=True)), strict=True
    )
    rows, columns = (
        torch.from_numpy(index - part.start // stride) for index, part in zip(first, box, strict=True)
    )
    down, right = (torch.from_numpy(part).to(logits_Knw) for part in share)
    below, beside = (
        (index + 1).clamp(max=side - 1)
        for index, side in zip((rows, columns), logits_Knw.shape[1:], strict=True)
    )
    ids, chance = [], []
    for lines in torch.split(torch.arange(len(rows)), 16):
        part = down[lines][:, None]
        tall = logits_Knw[:, rows[lines]] * (1 - part) + logits_Knw[:, below[lines]] * part
        full = tall[:, :, columns] * (1 - right) + tall[:, :, beside] * right
        best = full.softmax(dim=0).max(dim=0)
        ids.append(best.indices.to(torch.uint8 if len(full) <= 255 else torch.int16).cpu().numpy())
        chance.append(best.values.mul(255).round().to(torch.uint8).cpu().numpy())
    return np.concatenate(ids), np.concatenate(chance)


def _places(pixels: slice, side: int, stride: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return, for a run of pixels, the logit before each and the share of the one after it."""
    count = -(-side // stride)
    at = np.arange(pixels.start, pixels.stop) * ((count - 1) / (count * stride - 1))
    first = np.floor(at).astype(np.int64)
    return first, (at - first).astype(np.float32)
