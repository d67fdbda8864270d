"""What the meters found, for people: of each a few facts, a table and a chart where it has them.

The command line prints the facts, the report shows all of it, and the JSON has every number.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from terrazzo.figures import reliability_diagram, risk_coverage_chart
from terrazzo.figures.page import percent, thousands

Found = Mapping[str, Any]
"""What one meter's `to_json` returned."""

TRIMAP_WIDTH: Final = 4
"""Pixels; the width of the trimap that is a fact, where there is one. All are in the table."""


@dataclass(frozen=True)
class Section:
    """What one meter found."""

    name: str
    """The meter's."""

    title: str
    facts: tuple[tuple[str, str], ...]
    """What it is, and its value in words."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    """Of the table; its first column says what a row is about."""

    chart: str = ""
    """One `<svg>`, or nothing."""

    @property
    def words(self) -> str:
        """The facts in one line."""
        return ", ".join(f"{what} {value}" for what, value in self.facts)


@dataclass(frozen=True)
class Kind:
    """How to show what a meter found: keys of its JSON -> what they are called."""

    title: str
    facts: Mapping[str, str]
    table: Callable[[Found], Sequence[Found]] | None = None
    """The rows, of which each column takes one key."""

    columns: Mapping[str, str] | None = None
    chart: Callable[[Found], str] | None = None


def share(value: float | None) -> str:
    """Write a fraction as per cent."""
    return percent(value) if value is None else f"{percent(value)} %"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _pixels(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} px"


FORMATS: Final[dict[str, Callable[[Any], str]]] = {
    **dict.fromkeys(("hausdorff95", "average_distance"), _pixels),
    **dict.fromkeys(("brier", "nll", "auroc"), _number),
}
"""How the values of these keys are written; whole numbers and words as they are, all else as per cent."""


def _per_class(found: Found) -> Sequence[Found]:
    return [dict(row) for row in found["per_class"]]


def _sizes(found: Found) -> Sequence[Found]:
    return [{"name": size, **entry} for size, entry in found["pooled"].items()]


def _widths(found: Found) -> Sequence[Found]:
    return [{"name": f"{row['width']} px", **row} for row in found["widths"]]


def _coverage(title: str) -> Kind:
    facts = {"auroc": "AUROC of errors", "aurc": "AURC", "excess_aurc": "of which excess"}
    return Kind(title, facts, chart=lambda found: risk_coverage_chart({found["by"]: found}, name=found["by"]))


_CLASS: Final = {"name": "class"}
_SURFACE: Final = {
    "hausdorff95": "95 % Hausdorff distance",
    "average_distance": "average distance",
    "boundary_f1": "boundary F1",
}
_SIZE: Final = {"found": "found", "object_recall": "recall per object", "pixel_recall": "recall per pixel"}
_BAND: Final = {"miou": "mIoU", "share_of_pixels": "share of pixels", "share_of_errors": "share of errors"}
_IMAGE: Final = {"miou_i": "per image", "miou_i_worst": "its worst 5 %", "miou_c": "per class and image"}
_ROAD: Final = {"max_f": "MaxF", "average_precision": "AP", "precision": "precision", "recall": "recall"}

KINDS: Final[dict[str, Kind]] = {
    "boundary-iou": Kind("Boundary IoU", {"miou": "mean"}, _per_class, _CLASS | {"iou": "boundary IoU"}),
    "categories": Kind(
        "Categories of classes",
        {"miou": "mean IoU", "pixel_accuracy": "pixel accuracy"},
        _per_class,
        {"name": "category", "iou": "IoU", "precision": "precision", "recall": "recall"},
    ),
    "surface": Kind("Distances of outlines", _SURFACE, _per_class, _CLASS | _SURFACE),
    "trimap": Kind(
        "Near boundaries, and away from them",
        {},
        _widths,
        {"name": "within"}
        | _BAND
        | {"error_rate_within": "error rate within", "error_rate_beyond": "error rate beyond"},
    ),
    "size-recall": Kind("Objects by size", {}, _sizes, {"name": "objects", "objects": "number"} | _SIZE),
    "fine-grained": Kind("mIoU of single images", _IMAGE),
    "calibration": Kind(
        "Calibration",
        {"ece": "ECE", "classwise_ece": "classwise ECE", "nll": "NLL", "brier": "Brier score"},
        chart=lambda found: reliability_diagram({"this model": found["bins"]}),
    ),
    "coverage": _coverage("Doubt: 1 - confidence"),
    "coverage-entropy": _coverage("Doubt: entropy"),
    "coverage-margin": _coverage("Doubt: margin"),
    "road-maxf": Kind("Road, in the image", _ROAD),
    "tta": Kind(
        "What test-time augmentation gains",
        {"miou_plain": "mIoU without", "miou_tta": "mIoU with", "words": "gain"},
    ),
}
"""How to show a meter; one that is not here shows the single numbers it found."""


def sections(details: Mapping[str, Found], *, charts: bool = True) -> list[Section]:
    """Return what is to be shown of an evaluation's details, in their order.

    Args:
        details: what each meter found, by name.
        charts: draw them.
    """
    return [_section(name, found, charts) for name, found in details.items()]


def _section(name: str, found: Found, charts: bool) -> Section:
    kind = KINDS.get(name) or Kind(
        name, {key: key for key, value in found.items() if isinstance(value, float)}
    )
    rows = kind.table(found) if kind.table else ()
    columns = kind.columns or {}
    return Section(
        name,
        kind.title,
        facts=(*_facts(found, kind.facts), *_row_facts(name, rows)),
        columns=tuple(columns.values()),
        rows=tuple(tuple(_written(key, row.get(key)) for key in columns) for row in rows),
        chart=kind.chart(found) if charts and kind.chart else "",
    )


def _facts(found: Found, wanted: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    return [(words, _written(key, found.get(key))) for key, words in wanted.items()]


def _row_facts(name: str, rows: Sequence[Found]) -> list[tuple[str, str]]:
    """Return what of a table is worth a line without it."""
    if name == "size-recall":
        return [(f"{row['name']} found", share(row["found"])) for row in rows]
    near = [row for row in rows if row.get("width") == TRIMAP_WIDTH]
    return [
        (f"{words} within {TRIMAP_WIDTH} px", share(row[key])) for row in near for key, words in _BAND.items()
    ]


def _written(key: str, value: Any) -> str:
    if key in FORMATS:
        return FORMATS[key](value)
    if isinstance(value, str):
        return value
    return thousands(value) if isinstance(value, int) else share(value)
