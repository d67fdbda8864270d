"""The journal of an inspection: what is measured is written down, so an interrupted one continues.

One line of JSON per chunk of pairs. A line belongs to a key made of names, lengths and times of the chunk's
files and of the label map: a file that changed in between is measured again. A line cut short is passed over.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from terrazzo.core.errors import RequestError
from terrazzo.core.labels import LabelMap
from terrazzo.inspect.facts import PairFacts
from terrazzo.inspect.sources import Item
from terrazzo.inspect.sums import Sums

FORMAT = 1
"""Raised whenever what is measured changes: an old journal is then of no use."""

Result = tuple[list[PairFacts], Sums]


class Journal:
    """Appends results to a file and gives back those of an earlier run; without a path it does nothing."""

    def __init__(self, path: Path | None, num_classes: int) -> None:
        """Read what an earlier run left.

        Raises:
            RequestError: the file cannot be written.
        """
        self.path = path
        self.num_classes = num_classes
        self._lines: dict[str, str] = {}
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_file():
                self._read(path)
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise RequestError(
                f"{path} cannot be written ({error.strerror}). Give --out a folder that you may write to."
            ) from None

    def get(self, key: str) -> Result | None:
        """Return the result of a chunk, if it was measured before."""
        line = self._lines.pop(key, None)
        if line is None:
            return None
        facts = json.loads(line)
        pairs = [PairFacts.from_json(pair) for pair in facts["pairs"]]
        return pairs, Sums.from_json(facts["sums"], self.num_classes)

    def put(self, key: str, result: Result) -> None:
        """Write a result down; it survives whatever happens to this process afterwards."""
        if self.path is None:
            return
        pairs, sums = result
        facts: dict[str, Any] = {"key": key, "pairs": [p.to_json() for p in pairs], "sums": sums.to_json()}
        self._file.write(json.dumps(facts, separators=(",", ":")) + "\n")
        self._file.flush()

    def finish(self) -> None:
        """Remove the file: the inspection is complete."""
        self.close()
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Leave the file for the next run."""
        if self.path is not None:
            self._file.close()

    def _read(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8", errors="replace")
        for line in text.splitlines():
            try:
                self._lines[json.loads(line)["key"]] = line
            except (ValueError, KeyError, TypeError):
                continue
        if text and not text.endswith("\n"):  # killed within a line: start the next one on its own
            with path.open("a", encoding="utf-8") as file:
                file.write("\n")


def chunk_key(root: Path, items: Sequence[Item], labels: LabelMap | None, fingerprint: str) -> str:
    """Return what a chunk's result depends on, as a short hash.

    Args:
        root: where the files lie.
        items: the chunk.
        labels: the label map.
        fingerprint: of a dataset that makes its own items; empty for files.
    """
    facts: list[Any] = [FORMAT, fingerprint, None if labels is None else labels.to_json()]
    facts += [[item.split, item.id, item.index, *map(_stamp, _files(root, item))] for item in items]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]


def _files(root: Path, item: Item) -> tuple[Path, Path]:
    return root / item.image, root / item.mask


def _stamp(path: Path) -> list[Any]:
    try:
        status = path.stat()
    except OSError:
        return [str(path)]
    return [str(path), status.st_size, status.st_mtime_ns]
