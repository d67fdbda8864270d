"""What dataset kinds there are, what their publishers say, and what of one lies in a folder.

A kind says about itself in the `ABOUT` of its file; kinds for data of one's own have none, and their file's
docstring speaks for them. Nothing here reads an image; checking a folder opens it as `build_dataset` does.
"""

import inspect
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terrazzo.core.errors import RequestError, TerrazzoError, unknown_name
from terrazzo.datasets.about import About
from terrazzo.datasets.base import SPLITS
from terrazzo.datasets.build import DATASETS, build_dataset


@dataclass(frozen=True)
class Kind:
    """One dataset kind, for people."""

    name: str
    text: str
    """The docstring of its file: classes, files, split, group."""

    about: About | None
    needs_root: bool

    opens_alone: bool
    """Whether the name is enough to open it."""

    @property
    def summary(self) -> str:
        """One line: the published title, or what its file says first."""
        if self.about is not None:
            return self.about.title
        return self.text.partition("\n")[0].partition(": ")[2].rstrip(".")

    def to_json(self) -> dict[str, Any]:
        """Return the same as plain data; whether a program may fetch it stands for the function."""
        facts: dict[str, Any] = {"name": self.name, "summary": self.summary, "text": self.text}
        if self.about is None:
            return {**facts, "homepage": None, "downloads": False}
        about = self.about
        return {
            **facts,
            "title": about.title,
            "homepage": about.homepage,
            "licence": about.licence,
            "citation": about.citation,
            "splits": dict(about.splits),
            "layout": list(about.layout),
            "downloads": about.download is not None,
        }


@dataclass(frozen=True)
class Found:
    """What of one split lies in a folder."""

    split: str
    images: int | None
    """None where the split cannot be opened."""

    published: int | None
    """None where nobody published a number."""

    note: str
    """Why it cannot be opened, or what a person should know; empty where all is as published."""

    @property
    def complete(self) -> bool:
        """Whether the split is there, with as many images as were published."""
        return self.images is not None and self.published in {None, self.images}

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "split": self.split,
            "images": self.images,
            "published": self.published,
            "complete": self.complete,
            "note": self.note,
        }


def kinds() -> tuple[Kind, ...]:
    """Return every kind, by name."""
    return tuple(describe_kind(name) for name in sorted(DATASETS))


def describe_kind(name: str) -> Kind:
    """Return one kind.

    Raises:
        RequestError: there is no such kind; with the closest match.
    """
    if name not in DATASETS:
        raise unknown_name("dataset kind", name, DATASETS)
    build = DATASETS[name]
    module = sys.modules[build.__module__]
    about = getattr(module, "ABOUT", None)
    parameters = inspect.signature(build).parameters
    return Kind(
        name=name,
        text=inspect.cleandoc(module.__doc__ or "").replace("`", ""),
        about=about if isinstance(about, About) else None,
        needs_root="root" in parameters,
        opens_alone=not {"root", "sources"} & parameters.keys(),
    )


def check_folder(name: str, root: Path | None) -> tuple[Found, ...]:
    """Open every split of a kind and say what is there.

    Args:
        name: the kind.
        root: where the data lie; None for kinds that need no folder.

    Raises:
        RequestError: no such kind, a folder that is missing or not wanted.
    """
    kind = describe_kind(name)
    if kind.needs_root and root is None:
        raise RequestError(f"Checking {name!r} needs the folder it lies in: add --root DIR.")
    if not kind.needs_root and root is not None:
        raise RequestError(f"The dataset {name!r} has no folder; leave --root out.")
    published = dict(kind.about.splits) if kind.about is not None else {}
    return tuple(_found(name, split, root, published.get(split)) for split in _splits(published))


def download(name: str, root: Path) -> None:
    """Fetch a dataset into a folder.

    Raises:
        RequestError: nobody may or can fetch it by a program; with the page to get it from.
        TerrazzoError: it could not be fetched.
    """
    about = describe_kind(name).about
    if about is None:
        raise RequestError(f"The dataset {name!r} is made of your own data; there is nothing to download.")
    if about.download is None:
        raise RequestError(
            f"{about.title} cannot be fetched by a program: get it at {about.homepage} (its terms: "
            f"{about.licence}) and check it by: terrazzo datasets {name} --root DIR."
        )
    about.download(root)


def _splits(published: dict[str, int]) -> Sequence[str]:
    return tuple(published) or SPLITS


def _found(name: str, split: str, root: Path | None, published: int | None) -> Found:
    try:
        data = build_dataset(name, root=root, split=split)
    except TerrazzoError as error:
        return Found(split, None, published, str(error))
    notes = [note for note in data.notes if published is None or "the published split" not in note]
    if published not in {None, len(data)}:
        notes.insert(0, f"{published} were published")
    return Found(split, len(data), published, "; ".join(notes))
