"""What a run writes down as it goes: log.csv, TensorBoard scalars and sample pictures."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import DataError


class Journal:
    """Appends rows to `log.csv` and the same numbers to `tensorboard/`.

    On resume, rows after the resumed step are dropped: they are about to be lived through again.
    """

    def __init__(self, folder: Path, *, from_step: int) -> None:
        """Open the journal of a run.

        Args:
            folder: the run's folder.
            from_step: the step that the run starts or resumes at.
        """
        from torch.utils.tensorboard.writer import SummaryWriter

        self.path = folder / "log.csv"
        self.rows = [row for row in read_log(self.path) if row["step"] <= from_step]
        self._write_all()
        self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=from_step + 1)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Add values under a step; a second call for the same step extends its row."""
        for name, value in values.items():
            self.board.add_scalar(name, value, step)
        if self.rows and self.rows[-1]["step"] == step:
            self.rows[-1].update(values)
            self._write_all()
            return
        self.rows.append({"step": step, **values})
        self._append_last()

    def picture(self, name: str, image_HWC: NDArray[np.uint8], step: int) -> None:
        """Add a picture (H, W, 3) to TensorBoard."""
        self.board.add_image(name, image_HWC, step, dataformats="HWC")

    def close(self) -> None:
        """Flush everything."""
        self.board.close()

    def _columns(self) -> list[str]:
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def _write_all(self) -> None:
        """Write the whole file anew through a temporary name, so that it is never half there."""
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, fieldnames=self._columns())
        writer.writeheader()
        writer.writerows(self.rows)
        temporary = self.path.with_suffix(".csv.tmp")
        temporary.write_text(text.getvalue(), encoding="utf-8")
        temporary.replace(self.path)

    def _append_last(self) -> None:
        columns = self._columns()
        with self.path.open(encoding="utf-8", newline="") as file:
            header = next(csv.reader(file), [])
        if header != columns:
            self._write_all()
            return
        with self.path.open("a", encoding="utf-8", newline="") as file:
            csv.DictWriter(file, fieldnames=columns).writerow(self.rows[-1])


def read_log(path: Path) -> list[dict[str, Any]]:
    """Read a log.csv: one dict per row, empty cells left out, `step` an int and the rest floats.

    Raises:
        DataError: the file is there but is not a log of ours.
    """
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    try:
        return [
            {name: int(value) if name == "step" else float(value) for name, value in row.items() if value}
            for row in rows
        ]
    except (TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: not a training log ({error}). Move it away to go on.") from None
