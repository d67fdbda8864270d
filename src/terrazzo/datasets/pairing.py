"""Which mask belongs to which image: the same file name without its ending.

Whatever is wrong with any pair is collected and said at once, so that one look at the message mends a folder.
Only headers are read here; a file damaged further inside is reported when it is read.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from terrazzo.core.errors import DataError
from terrazzo.core.images import IMAGE_SUFFIXES, image_size, mask_size

MOST_LISTED = 5


@dataclass(frozen=True)
class Pair:
    """One image file and its mask file."""

    id: str
    """The image's file name without its ending."""

    image: Path
    mask: Path


@dataclass
class Problems:
    """What is wrong with the pairs of a folder, by kind."""

    found: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: str, what: str) -> None:
        """Note one more case of a kind."""
        self.found.setdefault(kind, []).append(what)

    def raise_if_any(self, where: str, checked: int) -> None:
        """Raise all of them as one error.

        Raises:
            DataError: there is at least one; each kind with its number and up to five cases.
        """
        if not self.found:
            return
        count = sum(len(cases) for cases in self.found.values())
        lines = [f"{where}: {count} problem{'s' if count != 1 else ''} in {checked} pairs of image and mask."]
        for kind, cases in self.found.items():
            lines.append(f"  {kind} ({len(cases)}):")
            lines += [f"    {case}" for case in cases[:MOST_LISTED]]
            if len(cases) > MOST_LISTED:
                lines.append(f"    and {len(cases) - MOST_LISTED} more")
        lines.append("Repair, add or remove these files; nothing was left out silently.")
        raise DataError("\n".join(lines))


def files_by_stem(folder: Path) -> dict[str, list[Path]]:
    """Return the image files directly in a folder by name without ending; hidden files are passed over."""
    stems: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir() if folder.is_dir() else ()):
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file():
            stems.setdefault(path.stem, []).append(path)
    return stems


def pair_by_stem(
    images: Path, masks: Path, *, only: Iterable[str] | None = None, mask_suffix: str = ""
) -> list[Pair]:
    """Pair the images of a folder with the masks of another, sorted by id.

    Args:
        images: folder of images.
        masks: folder of masks.
        only: the ids wanted; without it all of them, and a mask without an image is a problem.
        mask_suffix: what a mask's name has after the image's (`_mask` for `a.jpg` and `a_mask.png`).

    Raises:
        DataError: every missing, extra, double, unreadable or differently sized file, together.
    """
    image_files, mask_files = files_by_stem(images), files_by_stem(masks)
    where = f"{images} and {masks}"
    return pair_files(image_files, mask_files, where=where, only=only, mask_suffix=mask_suffix)


def pair_files(
    image_files: Mapping[str, Sequence[Path]],
    mask_files: Mapping[str, Sequence[Path]],
    *,
    where: str,
    only: Iterable[str] | None = None,
    mask_suffix: str = "",
) -> list[Pair]:
    """Pair files that have been found and named already, for data that do not lie in two flat folders.

    Args:
        image_files: the image files of each id; more than one is a problem.
        mask_files: the mask files by id, `mask_suffix` included.
        where: what the message calls the place.
        only: as in `pair_by_stem`.
        mask_suffix: as in `pair_by_stem`.

    Raises:
        DataError: as `pair_by_stem`.
    """
    problems = Problems()
    wanted = sorted(image_files if only is None else set(only))
    pairs = []
    for stem in wanted:
        found = image_files.get(stem, []), mask_files.get(stem + mask_suffix, [])
        pair = _one_pair(stem, found, problems)
        if pair is not None and _header_is_fine(pair, problems):
            pairs.append(pair)
    if only is None:
        for stem in sorted(set(mask_files) - {stem + mask_suffix for stem in image_files}):
            problems.add("no image for the mask", mask_files[stem][0].name)
    hint = "" if pairs else _suffix_hint(image_files, mask_files)
    problems.raise_if_any(where + hint, len(wanted))
    return pairs


def refuse_names(folder: Path, names: Iterable[str], pattern: re.Pattern[str], expected: str) -> None:
    """Refuse file names that a published dataset does not have: passing them over would lose data silently.

    Args:
        folder: where they are, for the message.
        names: without ending.
        pattern: fits a whole name.
        expected: the pattern as a person writes it.

    Raises:
        DataError: some name does not fit.
    """
    names, problems = list(names), Problems()
    for name in names:
        if pattern.fullmatch(name) is None:
            problems.add(f"names other than {expected}", name)
    problems.raise_if_any(str(folder), len(names))


def check_pairs(pairs: Sequence[Pair], where: Path) -> None:
    """Refuse pairs that were put together elsewhere and do not fit.

    Raises:
        DataError: every missing, unreadable or differently sized file and every id given twice, together.
    """
    problems, seen = Problems(), set[str]()
    for pair in pairs:
        if pair.id in seen:
            problems.add("two images of one id", pair.id)
        seen.add(pair.id)
        _header_is_fine(pair, problems)
    problems.raise_if_any(str(where), len(pairs))


def _one_pair(stem: str, found: tuple[Sequence[Path], Sequence[Path]], problems: Problems) -> Pair | None:
    images, masks = found
    for files, kind in ((images, "images"), (masks, "masks")):
        if len(files) > 1:
            problems.add(f"several {kind} of one name", " and ".join(path.name for path in files))
    if not images:
        problems.add("no image", stem)
    elif not masks:
        problems.add("no mask for the image", images[0].name)
    return Pair(stem, images[0], masks[0]) if len(images) == len(masks) == 1 else None


def _header_is_fine(pair: Pair, problems: Problems) -> bool:
    try:
        image, mask = image_size(pair.image), mask_size(pair.mask)
    except DataError as error:
        problems.add("unreadable", str(error))
        return False
    if image != mask:
        problems.add(
            "image and mask of different size (height x width)",
            f"{pair.id}: image {image[0]} x {image[1]}, mask {mask[0]} x {mask[1]}",
        )
    return image == mask


def _suffix_hint(images: Mapping[str, Sequence[Path]], masks: Mapping[str, Sequence[Path]]) -> str:
    """Notice the habit of naming the mask of `a` `a_mask`."""
    for stem in images:
        tails = {name.removeprefix(stem) for name in masks if name.startswith(stem) and name != stem}
        for tail in sorted(tails, key=len):
            if all(other + tail in masks for other in images):
                return f" (every mask's name ends in {tail!r}: give the option mask_suffix={tail!r})"
    return ""
