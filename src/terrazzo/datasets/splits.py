"""The splits there are, and the errors for those there are not."""

from pathlib import Path

from terrazzo.core.errors import DataError, RequestError, closest

SPLITS = ("train", "val", "test")
"""The splits there may be; `all` stands for these together, in this order."""


def check_split(split: str) -> None:
    """Refuse a split that nobody knows.

    Raises:
        RequestError: it is not train, val, test or all.
    """
    known = (*SPLITS, "all")
    if split not in known:
        match = closest(split, known)
        hint = f"did you mean {match!r}? " if match else ""
        raise RequestError(f"Unknown split {split!r}: {hint}Expected one of {', '.join(known)}.")


def wanted_splits(split: str) -> tuple[str, ...]:
    """Return the splits that a name stands for: itself, or all three."""
    return SPLITS if split == "all" else (split,)


def refuse_empty(split: str, root: Path, counts: dict[str, int], advice: str = "") -> None:
    """Raise where the split asked for holds nothing.

    Raises:
        DataError: names the split, the folder, and how many pairs each split there has.
    """
    if any(counts.get(name, 0) for name in wanted_splits(split)):
        return
    there = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    raise DataError(
        f"The split {split!r} of {root} is empty: no pair of image and mask. "
        f"Found: {there or 'no pair in any split'}. {advice or 'Choose another split or another folder.'}"
    )
