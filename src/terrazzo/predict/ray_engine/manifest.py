"""The manifest of a run: one line of JSON for each image, appended as results come, in order at the end.

Keys: image, mask, overlay, probabilities, confidence (paths or null), size ([H, W] in pixels), seconds
(reading, prediction and writing), sha256 (of the mask file), error (null where there is none), version (of
the image: bytes and time), request (of models and settings), worker (host and process).
"""

import json
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

from terrazzo.core.errors import TerrazzoError

NAME = "manifest.jsonl"


def read_manifest(path: Path) -> dict[str, dict[str, Any]]:
    """Return the rows by image, the last of each; lines that were cut off are passed over."""
    rows: dict[str, dict[str, Any]] = {}
    if not path.exists():
        return rows
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
            rows[row["image"]] = row
        except (ValueError, KeyError, TypeError):
            continue
    return rows


class Manifest:
    """A manifest that grows while a run goes on; a run that is killed leaves all whole lines behind.

    Args:
        path: the file; lines that are there stay until `finish`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.before = read_manifest(path)
        self._file: TextIO | None = None

    def known(self, image: str, request: str) -> dict[str, Any] | None:
        """Return the row that an earlier run of the same request wrote of an image, if it succeeded."""
        row = self.before.get(image)
        return row if row and row.get("request") == request and not row.get("error") else None

    def add(self, row: Mapping[str, Any]) -> None:
        """Append one row.

        Raises:
            TerrazzoError: it cannot be written.
        """
        try:
            if self._file is None:
                self._file = self.path.open("a", encoding="utf-8")
                self._file.write("\n" if self._file.tell() else "")  # the last line may have been cut off
            self._file.write(json.dumps(row) + "\n")
            self._file.flush()
        except OSError as error:
            raise _cannot_write(self.path, error) from error

    def finish(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write the manifest anew: rows of earlier runs over other images, then these, in their order."""
        rows = list(rows)
        images, masks = {row["image"] for row in rows}, {row["mask"] for row in rows}
        others = [r for r in self.before.values() if r["image"] not in images and r.get("mask") not in masks]
        fresh = self.path.with_name(f".{self.path.name}.new-{secrets.token_hex(4)}")
        self.close()
        try:
            fresh.write_text("".join(json.dumps(row) + "\n" for row in [*others, *rows]), encoding="utf-8")
            fresh.replace(self.path)
        except OSError as error:
            raise _cannot_write(self.path, error) from error
        finally:
            fresh.unlink(missing_ok=True)

    def close(self) -> None:
        """Leave the file as it is."""
        if self._file is not None:
            self._file.close()


def _cannot_write(path: Path, error: OSError) -> TerrazzoError:
    return TerrazzoError(
        f"{path} cannot be written: {error.strerror or error}. Free some space there, or choose another "
        "folder that you may write to. Results written so far are whole."
    )
