"""Where COCO and the tools that write its format keep annotations and images, and how the JSON is read.

COCO          annotations/instances_train2017.json + train2017/
CVAT          annotations/instances_default.json + images/ (or images/default/)
Roboflow      train/_annotations.coco.json with the images beside it
Label Studio  result.json + images/
"""

import json
import mmap
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terrazzo.core.errors import DataError, RequestError
from terrazzo.datasets.division import split_named


@dataclass(frozen=True)
class Source:
    """One annotation file."""

    json: Path
    token: str
    """What its name says of the split: `train2017`, `default`, `train`."""

    @property
    def split(self) -> str | None:
        """The split it is of, where the name says so."""
        return split_named(self.token)


def find_sources(root: Path, kind: str, year: int | None = None) -> list[Source]:
    """Find the annotation files of a kind (`instances`, `panoptic`), sorted.

    Raises:
        DataError: there is none.
        RequestError: there are several for one split, or none of the year.
    """
    named = [
        Source(path, path.stem[len(kind) + 1 :]) for path in sorted(root.glob(f"annotations/{kind}_*.json"))
    ]
    beside = [Source(path, path.parent.name) for path in sorted(root.glob("*/_annotations.coco.json"))]
    alone = [Source(path, "") for path in sorted(root.glob("*.json")) if path.name != "classes.json"]
    found = named or (beside or alone if kind == "instances" else [])
    if year is not None:
        found = [source for source in found if source.token.endswith(str(year))]
    if not found:
        raise DataError(
            f"{root}: no annotations{f' of {year}' if year else ''}. Expected "
            f"annotations/{kind}_train2017.json and "
            f"{kind}_val2017.json (or another split or tool's name); give the folder that holds annotations/."
        )
    splits = [source.split for source in found]
    twice = next((split for split in splits if splits.count(split) > 1), "")
    if twice != "":
        names = ", ".join(s.json.name for s in found if s.split == twice)
        raise RequestError(
            f"{root}: several annotation files for {twice or 'one split'}: {names}; expected one. "
            "Choose with the option year, or move the others elsewhere."
        )
    return found


def read_coco(path: Path, keys: Sequence[str] = ("images", "annotations", "categories")) -> dict[str, Any]:
    """Read a COCO JSON.

    Raises:
        DataError: it is missing, no JSON, or lacks one of the lists.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error}). Download or export it again.") from error
    missing = [key for key in keys if not isinstance(data, dict) or not isinstance(data.get(key), list)]
    if missing:
        raise DataError(f"{path}: no list {missing[0]!r}; expected a COCO file with {', '.join(keys)}.")
    found: dict[str, Any] = data
    return found


def read_categories(path: Path) -> list[dict[str, Any]]:
    """Read the categories alone, which takes no time even where the file has hundreds of megabytes.

    Raises:
        DataError: there are none.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        for match in re.finditer(rb'"categories"\s*:\s*(?=\[)', text):
            try:
                found, _ = json.JSONDecoder().raw_decode(text[match.end() :].decode("utf-8"))
            except ValueError:
                continue
            return list(found)
    raise DataError(f"{path}: no list 'categories'; expected a COCO file. Download or export it again.")


def reconcile(sources: Sequence[Source]) -> dict[int, dict[str, Any]]:
    """Return the categories of all files by id, rising; each must mean the same wherever it is.

    Raises:
        DataError: an id has two names, or a name two ids; names both files.
    """
    categories: dict[int, dict[str, Any]] = {}
    owner: dict[int | str, tuple[int | str, Path]] = {}
    for source in sources:
        for category in read_categories(source.json):
            number, name = int(category["id"]), str(category["name"])
            for key, value in ((number, name), (name, number)):
                known, where = owner.setdefault(key, (value, source.json))
                if known != value:
                    raise DataError(
                        f"{source.json}: category {key!r} is {value!r} there but {known!r} in {where}; "
                        "expected one meaning. Export the splits with one list of categories."
                    )
            categories.setdefault(number, category)
    return dict(sorted(categories.items()))


def find_image(root: Path, source: Source, file_name: str) -> Path:
    """Return where an image is; where it is nowhere, the place that COCO itself has it at."""
    name = file_name.replace("\\", "/")
    folders = [
        source.json.parent,
        root / source.token,
        root / "images" / source.token,
        root / "images",
        root,
        *([root / source.split, root / "images" / source.split] if source.split else []),
    ]
    for path in (folder / part for part in dict.fromkeys((name, Path(name).name)) for folder in folders):
        if path.is_file():
            return path
    return root / (source.token or "images") / name
