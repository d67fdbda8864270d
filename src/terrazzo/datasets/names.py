"""Annotation tools write names, masks hold ids: which name is which class, which is void, what is undrawn.

Without a list of classes they are the names that occur, sorted, after the background. A name that a list of
classes lacks is an error, so a typing slip of an annotator is no new class and no lost pixel.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from terrazzo.core.errors import ConfigError, DataError, did_you_mean
from terrazzo.core.label_files import read_label_map, spread_color
from terrazzo.core.labels import RGB, LabelClass, LabelMap
from terrazzo.core.sample import IGNORE

ALWAYS_VOID = ("__ignore__",)
"""LabelMe's name for what counts for nothing."""

Classes = str | Path | LabelMap | None
"""A classes.json, a text file with a name a line, a label map; None for the names that occur."""


@dataclass(frozen=True)
class Names:
    """What the names of a dataset mean."""

    labels: LabelMap
    background: str | None
    """The class of pixels that nobody drew on; None: void."""

    void: frozenset[str]
    """Names that count for nothing."""

    @property
    def background_id(self) -> int:
        """The raw id of pixels that nobody drew on."""
        return self.void_id if self.background is None else self._ids[self.background]

    @property
    def void_id(self) -> int:
        """The raw id of void."""
        return self.labels.void_ids[0]

    def raw_id(self, name: str, source: str) -> int:
        """Return the raw id that a name is painted with.

        Raises:
            DataError: nobody declared the name; names the source and the closest class.
        """
        if name in self._ids:
            return self._ids[name]
        if name in self.void:
            return self.void_id
        raise DataError(
            f"{source}: undeclared label {name!r}; {did_you_mean(name, [*self._ids, *self.void])} "
            "Correct it there, or add it to the classes or to the option void."
        )

    @property
    def note(self) -> str:
        """Say what pixels outside every shape count as."""
        what = "void" if self.background is None else f"the class {self.background!r}"
        return f"pixels outside every shape are {what}"

    @property
    def _ids(self) -> dict[str, int]:
        return {c.name: c.raw_ids[0] for c in self.labels.classes}


def choose_names(
    found: Collection[str],
    *,
    classes: Classes,
    background: str | None,
    void: Sequence[str] = (),
    root: Path,
    colors: Mapping[str, RGB] | None = None,
) -> Names:
    """Decide what the names of a dataset mean.

    Args:
        found: the names that occur, in the order that the classes shall have.
        classes: the list of classes, where somebody gave one; root/classes.json otherwise, if there is one.
        background: the class of pixels that nobody drew on; `_background_` stands for `background`, too.
        void: names that count for nothing, besides `__ignore__`.
        root: the dataset's folder.
        colors: of some names, where the tool has any.

    Raises:
        ConfigError: the classes cannot be read, or have no background though there is one.
        DataError: no name occurs.
    """
    voids = frozenset((*void, *ALWAYS_VOID))
    if classes is None and (root / "classes.json").is_file():
        classes = root / "classes.json"
    if classes is None:
        return _found_names(found, background, voids, root, colors or {})
    labels = classes if isinstance(classes, LabelMap) else _read_classes(Path(classes), voids)
    if not labels.void_ids:
        labels = LabelMap(labels.classes, (_free_id(labels.classes),), labels.void_colors)
    if background is not None:
        matches = [name for name in (background, f"_{background}_") if name in labels.names]
        if not matches:
            raise ConfigError(
                f"{root}: no class is named {background!r}, which pixels that nobody drew on would be; the "
                f"classes are {', '.join(labels.names)}. Add it, name another with the option background, "
                "or set background to null: then such pixels are void."
            )
        background = matches[0]
    return Names(labels, background, voids)


def unlike_colors(names: Sequence[str], colors: Mapping[str, RGB]) -> list[RGB]:
    """Return a colour for each name, its own where no other has the same."""
    chosen: list[RGB] = []
    for position, name in enumerate(names):
        color = colors.get(name) or spread_color(position)
        others = (spread_color(position + turn * len(names)) for turn in count(1))
        chosen.append(color if color not in chosen else next(c for c in others if c not in chosen))
    return chosen


def _found_names(
    found: Collection[str],
    background: str | None,
    voids: frozenset[str],
    root: Path,
    colors: Mapping[str, RGB],
) -> Names:
    names = [name for name in dict.fromkeys(found) if name not in voids]
    if background is not None:
        background = f"_{background}_" if f"_{background}_" in names else background
        names = [background, *(name for name in names if name != background)]
    if not names:
        raise DataError(f"{root}: no label occurs in any annotation; expected at least one drawn shape.")
    painted = zip(names, unlike_colors(names, colors), strict=True)
    classes = tuple(LabelClass(name, color, (i,)) for i, (name, color) in enumerate(painted))
    return Names(LabelMap(classes, (_free_id(classes),)), background, voids)


def _free_id(classes: Sequence[LabelClass]) -> int:
    used = {i for c in classes for i in c.raw_ids}
    return next(i for i in (IGNORE, 65535, 65534) if i not in used)


def _read_classes(path: Path, voids: frozenset[str]) -> LabelMap:
    if path.suffix.lower() != ".txt":
        return read_label_map(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}); expected one class name a line."
        ) from error
    names = [line.strip() for line in lines if line.strip() and line.strip() not in voids]
    classes = tuple(LabelClass(name, spread_color(i), (i,)) for i, name in enumerate(names))
    return LabelMap(classes, (_free_id(classes),))
