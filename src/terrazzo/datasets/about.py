"""What a person wants to know of a dataset before it is on the disk: where it is, what it costs, how it lies.

Each dataset's file has one of these as `ABOUT`; `terrazzo datasets` prints them. Nothing here reads a file.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class About:
    """One dataset as its publishers describe it."""

    name: str
    """The kind, its key in `DATASETS`."""

    title: str
    """Full name, with the year or edition where there are several."""

    homepage: str
    """Where a person gets it and accepts its terms."""

    licence: str
    """What one may do with it, in a sentence."""

    citation: str
    """Authors: title, venue and year, as one line."""

    splits: dict[str, int]
    """Published number of images with public masks, by split; a split without masks is left out."""

    layout: tuple[str, ...]
    """What the folder must look like, as lines of text."""

    download: Callable[[Path], None] | None = None
    """Fetches it into a folder, where anyone may do so without an account; None: get it by hand."""
