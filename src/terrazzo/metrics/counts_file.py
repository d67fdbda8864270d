"""Counts in a file: what a score, its interval and a comparison need, without running the model again.

A NumPy archive (`.npz`) without pickled objects, so that reading one never runs code: `matrices` (N, K, K)
of the smallest unsigned integers that hold them, `ids` and `groups` (N,) text, `grouped` (N,) whether the
group is known, `ignore_index`, and `facts`, JSON text for whoever wrote the file (the protocol of the score).
"""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import DataError, RequestError
from terrazzo.metrics.confusion import ConfusionCounts

FORMAT: Final = 1
FIELDS: Final = ("format", "matrices", "ids", "groups", "grouped", "ignore_index", "facts")


def save_counts(path: Path, counts: ConfusionCounts, facts: Mapping[str, Any]) -> None:
    """Write counts; a file there is replaced, at once and whole.

    Args:
        path: the file, by custom `.npz`.
        counts: what was counted, per image.
        facts: plain values that travel with them.

    Raises:
        RequestError: the file cannot be written.
    """
    matrices = [counts.matrix(index) for index in range(len(counts))]
    largest = max((int(matrix.max()) for matrix in matrices), default=0)
    square = (counts.num_classes, counts.num_classes)
    arrays: dict[str, Any] = {
        "format": FORMAT,
        "matrices": np.array(matrices, np.min_scalar_type(largest)).reshape(-1, *square),
        "ids": np.array(counts.ids, dtype=np.str_),
        "groups": np.array([group or "" for group in counts.groups], dtype=np.str_),
        "grouped": np.array([group is not None for group in counts.groups], dtype=np.bool_),
        "ignore_index": counts.ignore_index,
        "facts": json.dumps(dict(facts), allow_nan=False),
    }
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)
        temporary.replace(path)
    except OSError as error:
        raise RequestError(
            f"{path} cannot be written ({error.strerror}). Give the counts another place."
        ) from None


def load_counts(path: Path) -> tuple[ConfusionCounts, dict[str, Any]]:
    """Read counts and the facts that came with them.

    Raises:
        DataError: the file is missing, cut short, of another kind, or contradicts itself.
    """
    if not path.is_file():
        raise DataError(
            f"{path}: no such file; expected counts that `terrazzo evaluate --save-counts` wrote."
        )
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in FIELDS}
        facts = json.loads(str(arrays["facts"]))
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} holds no counts ({error}); expected a file that `terrazzo evaluate --save-counts` "
            "wrote. Write it again."
        ) from None
    _check(path, arrays)
    groups = [
        str(group) if known else None
        for group, known in zip(arrays["groups"], arrays["grouped"], strict=True)
    ]
    ids = [str(id) for id in arrays["ids"]]
    try:
        counts = ConfusionCounts.of(arrays["matrices"], ids, groups, ignore_index=int(arrays["ignore_index"]))
    except ValueError as error:
        raise DataError(f"{path}: {error} Write the counts again.") from None
    return counts, facts


def _check(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Refuse another format, and arrays that do not belong together."""
    if arrays["format"].shape or int(arrays["format"]) != FORMAT:
        raise DataError(
            f"{path} has counts of format {arrays['format']}; this Terrazzo reads format {FORMAT}. "
            "Write them again, or upgrade."
        )
    matrices = arrays["matrices"]
    images = {len(arrays[name]) if arrays[name].ndim == 1 else -1 for name in ("ids", "groups", "grouped")}
    square = matrices.ndim == 3 and matrices.shape[1] == matrices.shape[2] > 0
    if not square or matrices.dtype.kind != "u" or images != {len(matrices)}:
        raise DataError(
            f"{path}: its matrices have shape {matrices.shape} and type {matrices.dtype}; expected unsigned "
            "counts (N, K, K) with an id and a group for each of the N images. Write the counts again."
        )
