"""Broken names: which file belongs to which, and what the strict reader would not find or would refuse.

Pairs are formed here as generously as a person would form them, and every act of generosity is noted.
"""

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePath

from terrazzo.core.images import IMAGE_SUFFIXES
from terrazzo.inspect.kinds import Kind, Trouble

KINDS = {
    "image-without-mask": Kind(
        "error",
        "Images without a mask",
        "An image without labels cannot be trained on or scored, and the strict reader refuses the folder.",
        "Add the masks, or remove the images.",
        "leaves the image out",
    ),
    "mask-without-image": Kind(
        "error",
        "Masks without an image",
        "Labels whose image is missing are lost work, and often a sign of a copy that stopped half way.",
        "Add the images, or remove the masks.",
        "leaves the mask out",
    ),
    "same-stem-twice": Kind(
        "error",
        "Several files of one name",
        "Files that differ only in their ending are one id, so which one is meant is left to chance.",
        "Keep one of them.",
    ),
    "name-case": Kind(
        "error",
        "Names that differ in upper and lower case",
        "Image and mask pair up on some file systems and not on others.",
        "Give the mask exactly the name of its image.",
        "renames the mask",
    ),
    "name-spaces": Kind(
        "error",
        "Names with spaces at their ends",
        "A space before or after a name is invisible and keeps a pair from being found.",
        "Rename the files without it.",
        "renames both files",
    ),
    "name-unicode": Kind(
        "error",
        "Names that look equal but are written in different Unicode forms",
        "An accented letter can be one code point or two; image and mask then look equal and do not pair up.",
        "Rename the files to the composed form (NFC).",
        "renames both files",
    ),
    "mask-suffix": Kind(
        "error",
        "Masks whose names carry an addition",
        "Pairs are formed by equal names, so nothing is found until the addition is declared.",
        "Give the option mask_suffix in a dataset YAML.",
        "writes a dataset YAML with mask_suffix",
    ),
    "unread-file": Kind(
        "note",
        "Files of a type that is not read",
        "They lie among images or masks and are passed over.",
        "Convert them to PNG if they are data, or move them away.",
    ),
    "missing-listed-file": Kind(
        "error",
        "A split file lists what is not there",
        "The split is smaller than its file says.",
        "Add the files, or take the lines out.",
        "writes the split without it",
    ),
    "listed-twice": Kind(
        "error",
        "A name listed in two splits",
        "A score would be measured on what was trained on.",
        "Take it out of one of the split files.",
        "keeps it in the later split (val before train, test before val)",
    ),
    "no-masks-folder": Kind(
        "error",
        "A split without images or without masks",
        "Half of the data is missing.",
        "Check that the folder was copied completely.",
    ),
}

Pairing = tuple[list[tuple[str, str]], list[Trouble]]


def pair_names(images: Sequence[str], masks: Sequence[str], suffix: str = "") -> Pairing:
    """Pair relative file names by stem: exactly where that works, else as a person would.

    Args:
        images: paths relative to the data's folder.
        masks: likewise.
        suffix: what a mask's stem has after the image's, if declared.

    Returns:
        (image, mask) pairs sorted by image, and what was wrong with the names.
    """
    troubles = [Trouble("unread-file", (p,), p) for p in (*images, *masks) if not _readable(p)]
    images_left, image_doubles = _by_stem([p for p in images if _readable(p)], "")
    masks_left, mask_doubles = _by_stem([p for p in masks if _readable(p)], suffix)
    troubles += image_doubles + mask_doubles
    pairs: list[tuple[str, str]] = []
    for kind, key in _KEYS.items():
        found = _match(images_left, masks_left, key)
        pairs += found
        troubles += [
            Trouble(kind, pair, f"{_name(pair[0])!r} and {_name(pair[1])!r}") for pair in found if kind
        ]
    if not suffix and (addition := _addition(images_left, masks_left)):
        pairs += _match(images_left, masks_left, lambda stem: stem.removesuffix(addition))
        files = tuple(mask for _, mask in pairs if _stem(mask).endswith(addition))
        troubles.append(Trouble("mask-suffix", files, f"all of {len(files)} end in {addition!r}"))
    troubles += [
        Trouble("name-spaces", p, repr(_name(p[0]))) for p in pairs if _spaced(p) and not _noted(p, troubles)
    ]
    troubles += [Trouble("image-without-mask", (p,), p) for p in images_left.values()]
    troubles += [Trouble("mask-without-image", (p,), p) for p in masks_left.values()]
    return sorted(pairs), troubles


def _exact(stem: str) -> str:
    return stem


def _folded(stem: str) -> str:
    return unicodedata.normalize("NFC", stem.strip()).casefold()


_KEYS: dict[str, Callable[[str], str]] = {
    "": _exact,
    "name-unicode": lambda stem: unicodedata.normalize("NFC", stem),
    "name-spaces": str.strip,
    "name-case": _folded,
}
"""Ways in which two stems are one, from strict to generous; the trouble is noted under the key's name."""


def _match(images: dict[str, str], masks: dict[str, str], key: Callable[[str], str]) -> list[tuple[str, str]]:
    """Take the pairs out of both dicts whose keys agree."""
    by_key = {key(stem): stem for stem in masks}
    pairs = []
    for stem in sorted(images):
        other = by_key.pop(key(stem), None)
        if other is not None:
            pairs.append((images.pop(stem), masks.pop(other)))
    return pairs


def _by_stem(paths: Iterable[str], suffix: str) -> tuple[dict[str, str], list[Trouble]]:
    """Return stem -> path of the stems that come once, and the others as troubles."""
    stems: dict[str, list[str]] = {}
    for path in sorted(paths):
        stems.setdefault(_stem(path).removesuffix(suffix), []).append(path)
    doubles = [
        Trouble("same-stem-twice", tuple(found), " and ".join(map(_name, found)))
        for found in stems.values()
        if len(found) > 1
    ]
    return {stem: found[0] for stem, found in stems.items()}, doubles


def _addition(images: dict[str, str], masks: dict[str, str]) -> str:
    """Return what every mask's name has more than its image's, or nothing."""
    for image in images:
        additions = {m.removeprefix(image) for m in masks if m.startswith(image) and m != image}
        for addition in sorted(additions, key=len):
            if len(images) > 1 and all(other + addition in masks for other in images):
                return addition
    return ""


def _spaced(pair: tuple[str, str]) -> bool:
    return any(_name(path) != _name(path).strip() or _stem(path) != _stem(path).strip() for path in pair)


def _noted(pair: tuple[str, str], troubles: Sequence[Trouble]) -> bool:
    return any(trouble.files == pair for trouble in troubles)


def _name(path: str) -> str:
    return PurePath(path).name


def _stem(path: str) -> str:
    return PurePath(path.rstrip()).stem


def _readable(path: str) -> bool:
    return PurePath(path.strip()).suffix.lower() in IMAGE_SUFFIXES
