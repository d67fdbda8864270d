"""Work on a raster that can be stopped at any instant: finished rows in plain files, a journal says which.

The folder of work lies beside the result and is removed with the last step. Rows are made durable before the
journal says that they are there; a line of the journal that was cut off in the middle is as if never written.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import RequestError, TerrazzoError

JOURNAL = "journal.jsonl"


class Layer:
    """One value per pixel of the whole raster in a plain file, row after row, written and read in parts.

    Args:
        path: the file; made at its full size where it is not there (without taking up room, where the file
            system can).
        size: (H, W), pixels.
        dtype: of the values.
    """

    def __init__(self, path: Path, size: tuple[int, int], dtype: Any) -> None:
        self.size = size
        self.dtype = np.dtype(dtype)
        self._bytes_per_row = size[1] * self.dtype.itemsize
        self._file = path.open("r+b" if path.exists() else "w+b", buffering=0)
        self._file.truncate(size[0] * self._bytes_per_row)

    def write(self, row: int, column: int, values_nm: NDArray[Any]) -> None:
        """Write a part whose upper left corner is at (row, column)."""
        values_nm = np.ascontiguousarray(values_nm, dtype=self.dtype)
        if values_nm.shape[1] == self.size[1]:
            self._write_at(row * self._bytes_per_row, values_nm)
            return
        for line, values_m in enumerate(values_nm, start=row):
            self._write_at(line * self._bytes_per_row + column * self.dtype.itemsize, values_m)

    def _write_at(self, offset: int, values: NDArray[Any]) -> None:
        left = memoryview(values.view(np.uint8).reshape(-1))  # type: ignore[arg-type]
        self._file.seek(offset)
        while left:
            left = left[self._file.write(left) :]

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Return the rows first..last-1, (last - first, W)."""
        self._file.seek(first * self._bytes_per_row)
        values = np.fromfile(self._file, self.dtype, (last - first) * self.size[1])
        return values.reshape(last - first, self.size[1])

    def sync(self) -> None:
        """Make what was written durable."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Work:
    """The folder of one raster's unfinished work.

    Args:
        folder: made where it is not there.
        request: all that the result depends on; work for another request is not continued.

    Attributes:
        resumed: whether there was work to continue.

    Raises:
        RequestError: the folder holds work for another request.
    """

    def __init__(self, folder: Path, request: Mapping[str, Any]) -> None:
        self.folder = folder
        self._done: dict[int, int] = {}
        self._layers: list[Layer] = []
        folder.mkdir(parents=True, exist_ok=True)
        lines = _whole_lines(folder / JOURNAL)
        plain = json.loads(json.dumps(request))
        if lines and lines[0].get("request") != plain:
            different = sorted(
                key for key in plain | lines[0]["request"] if plain.get(key) != lines[0]["request"].get(key)
            )
            raise RequestError(
                f"{folder} holds unfinished work that was begun with another {', '.join(different)}. Repeat "
                "that command to finish it, or remove the folder to start again."
            )
        for line in lines[1:]:
            self._done[line["panel"]] = line["rows"]
        self.resumed = bool(self._done)
        self._begin_journal(plain)

    def layer(self, name: str, size: tuple[int, int], dtype: Any) -> Layer:
        """Open a layer of the work."""
        layer = Layer(self.folder / f"{name}.raw", size, dtype)
        self._layers.append(layer)
        return layer

    def rows_done(self, panel: int) -> int:
        """Return how many image rows of a panel are finished."""
        return self._done.get(panel, 0)

    def finish_rows(self, panel: int, rows: int) -> None:
        """Say that the rows before `rows` of a panel are finished, after making them durable."""
        for layer in self._layers:
            layer.sync()
        self._append({"panel": panel, "rows": rows})
        self._done[panel] = rows

    def close(self) -> None:
        """Close everything; the folder stays."""
        self._journal.close()
        for layer in self._layers:
            layer.close()

    def remove(self) -> None:
        """Close everything and remove the folder: the result is there."""
        self.close()
        shutil.rmtree(self.folder)

    def _begin_journal(self, request: Mapping[str, Any]) -> None:
        """Write what is known so far, without what was cut off, and go on at its end."""
        known = [{"request": request}, *({"panel": p, "rows": rows} for p, rows in self._done.items())]
        fresh = self.folder / f"{JOURNAL}.new"
        fresh.write_text("".join(json.dumps(line) + "\n" for line in known))
        fresh.replace(self.folder / JOURNAL)
        self._journal = (self.folder / JOURNAL).open("a")

    def _append(self, line: Mapping[str, Any]) -> None:
        self._journal.write(json.dumps(line) + "\n")
        self._journal.flush()
        os.fsync(self._journal.fileno())


def begun(folder: Path) -> dict[str, Any] | None:
    """Return the request of unfinished work, None where there is none."""
    lines = _whole_lines(folder / JOURNAL)
    found: dict[str, Any] | None = lines[0].get("request") if lines else None
    return found


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a journal up to the first that is not whole."""
    lines: list[dict[str, Any]] = []
    if not path.exists():
        return lines
    for text in path.read_text().splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines


def check_room(folder: Path, needed: int) -> None:
    """Refuse work that will not fit on the disk.

    Raises:
        TerrazzoError: not enough free space.
    """
    from terrazzo.predict.tiles.memory import in_words

    free = shutil.disk_usage(next(place for place in [folder, *folder.parents] if place.exists())).free
    if free < needed:
        raise TerrazzoError(
            f"The raster needs about {in_words(needed)} of disk beside {folder}, {in_words(free)} are free. "
            "Free some space, or choose another place for the result."
        )
