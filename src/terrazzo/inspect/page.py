"""The page of an inspection: one HTML file that opens from a disk without network, findings first."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from terrazzo.datasets import SegmentationDataset
from terrazzo.figures import LegendEntry, distinguishable, legend, page_labels, render, save
from terrazzo.inspect.gallery import (
    SUSPECTS,
    augmented_shots,
    location_picture,
    sample_shots,
    suspect_rows,
)
from terrazzo.inspect.report import SEVERITIES, Finding, InspectReport
from terrazzo.inspect.suspects import SUSPICIOUS, Probabilities

TEMPLATES = Path(__file__).parent / "templates"
NAME: Final = "inspect.html"

SHOWN_FILES: Final = 200
"""Files listed per finding, and suspects without pictures; the JSON has them all."""

SHOWN_SIZES: Final = 12
SHOWN_PAIRS: Final = 40
"""Classes in the table of co-occurrence, the most frequent ones."""


@dataclass(frozen=True)
class ClassRow:
    """One class on the page."""

    entry: LegendEntry
    pixels: int
    pixel_share: float
    """Of the pixels that are not void."""

    bar: float
    """Length of its bar, 0..1: the largest class fills it."""

    images: int
    image_share: float
    heat: str
    """Where it lives, as a data URI; empty without pixels."""

    place: str


def write_page(
    folder: Path,
    report: InspectReport,
    dataset: SegmentationDataset | None,
    *,
    predict_probabilities: Probabilities | None = None,
) -> Path:
    """Write a self-contained HTML page of everything an inspection found.

    Args:
        folder: where `inspect.html` goes; made, and the file replaced.
        report: the facts.
        dataset: where the pictures come from; None where it cannot be opened: then there are none.
        predict_probabilities: the model that the suspects were found with, to show what it sees.

    Returns:
        The path of the file.

    Raises:
        TerrazzoError: the file cannot be written.
    """
    labels = None if dataset is None else page_labels(dataset.labels)
    crop = report.recommendation.crop if report.recommendation else None
    page = render(
        TEMPLATES,
        "inspect.html",
        script=(TEMPLATES / "inspect.js").read_text(encoding="utf-8"),
        report=report,
        findings=[_shown(finding) for finding in report.findings],
        counts={severity: report.count(severity) for severity in SEVERITIES},
        rows=_class_rows(report),
        void_share=_share(report.void_pixels, report.void_pixels + sum(c.pixels for c in report.classes)),
        sizes=_sizes(report),
        channels=_channels(report),
        pairs=_pairs(report),
        further=[one for one in report.suspects if one.score >= SUSPICIOUS][SUSPECTS:][:SHOWN_FILES],
        suspects=suspect_rows(report.suspects, dataset, labels, predict_probabilities),
        legend=[] if labels is None else legend(labels),
        shots=[] if dataset is None or labels is None else sample_shots(dataset, labels),
        augmented=[] if dataset is None or labels is None else augmented_shots(dataset, labels, crop),
    )
    return save(Path(folder) / NAME, page)


def _shown(finding: Finding) -> dict[str, Any]:
    return {
        "facts": finding,
        "title": finding.kind.replace("_", " ").replace("-", " ").capitalize(),
        "files": finding.files[:SHOWN_FILES],
        "more": max(0, len(finding.files) - SHOWN_FILES),
    }


def _class_rows(report: InspectReport) -> list[ClassRow]:
    total = sum(entry.pixels for entry in report.classes)
    largest = max((entry.pixels for entry in report.classes), default=0)
    colors = distinguishable([entry.color for entry in report.classes])
    rows = []
    for k, (facts, color, grid) in enumerate(zip(report.classes, colors, report.location, strict=True)):
        heat, place = location_picture(grid)
        rows.append(
            ClassRow(
                entry=LegendEntry(k, facts.name, f"rgb({', '.join(map(str, color))})"),
                pixels=facts.pixels,
                pixel_share=_share(facts.pixels, total),
                bar=_share(facts.pixels, largest),
                images=facts.images,
                image_share=_share(facts.images, report.images),
                heat=heat,
                place=place,
            )
        )
    return rows


def _sizes(report: InspectReport) -> list[dict[str, Any]]:
    """Return the most frequent sizes, and the others together."""
    rows = [
        {"name": f"{s.height} × {s.width}", "images": s.images, "share": _share(s.images, report.images)}
        for s in report.sizes[:SHOWN_SIZES]
    ]
    rest = report.sizes[SHOWN_SIZES:]
    if rest:
        images = sum(size.images for size in rest)
        name = f"{len(rest)} other sizes"
        rows.append({"name": name, "images": images, "share": _share(images, report.images)})
    return rows


def _channels(report: InspectReport) -> list[dict[str, Any]]:
    """Return one row per channel; its bar shows mean and spread on a scale that all channels share."""
    means, stds = report.channels.mean, report.channels.std
    names = ("red", "green", "blue") if len(means) == 3 else tuple(f"channel {i}" for i in range(len(means)))
    ends = [edge for m, s in zip(means, stds, strict=True) for edge in (m - s, m + s)]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    if low >= 0 and high <= 255 and max(means, default=0.0) > 1:
        low, high = 0.0, 255.0
    width = (high - low) or 1.0
    return [
        {
            "name": name,
            "mean": mean,
            "std": std,
            "left": (mean - std - low) / width,
            "width": 2 * std / width,
            "point": (mean - low) / width,
        }
        for name, mean, std in zip(names, means, stds, strict=True)
    ]


def _pairs(report: InspectReport) -> dict[str, Any]:
    """Return the table of co-occurrence: of the images with a row's class, the share with a column's."""
    frequent = sorted(range(len(report.classes)), key=lambda k: (-report.classes[k].images, k))[:SHOWN_PAIRS]
    shown = sorted(frequent)
    return {
        "classes": shown,
        "left_out": len(report.classes) - len(shown),
        "rows": [_pair_row(report, k, shown) for k in shown],
    }


def _pair_row(report: InspectReport, k: int, shown: Sequence[int]) -> list[float | None]:
    images = report.classes[k].images
    return [_share(report.cooccurrence[k][j], images) if images else None for j in shown]


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
