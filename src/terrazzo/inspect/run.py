"""From data to report: survey, doctor, and the figures in the form in which they are shown."""

from collections import Counter
from pathlib import Path

import numpy as np

from terrazzo.core.labels import LabelMap
from terrazzo.inspect.advise import recommend, weights_by_rule
from terrazzo.inspect.doctor import examine
from terrazzo.inspect.doctor.against import swapped_against
from terrazzo.inspect.report import (
    LOCATION_COLUMNS,
    LOCATION_ROWS,
    SEVERITIES,
    ChannelFacts,
    ClassFacts,
    InspectReport,
    SizeFacts,
    SplitFacts,
)
from terrazzo.inspect.sources import Source, open_source
from terrazzo.inspect.sums import Sums, total
from terrazzo.inspect.survey import Progress, Survey, survey

JOURNAL = "inspect.journal"
"""Name of the journal in the output folder, while an inspection is under way."""


def inspect(
    data: str | Path,
    *,
    split: str = "all",
    out: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> InspectReport:
    """Inspect data: statistics and everything that is wrong with them.

    Args:
        data: `kind:path`, a folder, a dataset YAML, or a kind without a folder.
        split: train, val, test or all.
        out: a folder for the journal, so that an interrupted inspection continues; None keeps none.
        workers: processes; by default one per core.
        progress: called with (pairs done, pairs in all).

    Raises:
        RequestError: there are no such data, or no such split.
    """
    return report_of(take_survey(open_source(data, split), out=out, workers=workers, progress=progress))


def take_survey(
    source: Source,
    *,
    out: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Survey:
    """Measure every pair, with a journal in a folder; it is removed when all is done."""
    journal = None if out is None else out / JOURNAL
    taken = survey(source, journal=journal, workers=workers, progress=progress)
    if journal is not None:
        journal.unlink(missing_ok=True)
    return taken


def report_of(survey: Survey, reference: Survey | None = None) -> InspectReport:
    """Put a survey and the doctor's findings into the form in which they are shown.

    Args:
        survey: of the data.
        reference: of other data with classes of the same names, to find exchanged ids by.

    Raises:
        RequestError: the two have fewer than two class names in common.
    """
    findings = examine(survey)
    if reference is not None:
        findings = sorted(
            [*findings, *swapped_against(survey, reference)], key=lambda f: SEVERITIES.index(f.severity)
        )
    sums = total(list(survey.sums.values()), survey.labels.num_classes)
    known = survey.source.labels is not None
    sizes = _sizes(survey)
    return InspectReport(
        data=survey.source.name,
        images=sum(facts.image is not None and facts.mask is not None for facts in survey.facts),
        splits=_splits(survey),
        sizes=sizes,
        classes=_classes(survey.labels, sums) if known else (),
        void_pixels=int(sums.void[0]),
        channels=_channels(sums),
        cooccurrence=tuple(tuple(row) for row in sums.together.tolist()) if known else (),
        location=_location(sums) if known else (),
        class_weights=weights_by_rule(sums) if known else {},
        recommendation=recommend(sizes, sum(size.images for size in sizes)),
        findings=tuple(findings),
    )


def _splits(survey: Survey) -> dict[str, SplitFacts]:
    facts = {}
    for split in dict.fromkeys(item.split for item in survey.source.items):
        groups = [item.group for item in survey.source.items if item.split == split]
        facts[split] = SplitFacts(len(groups), None if None in groups else len(set(groups)))
    return facts


def _sizes(survey: Survey) -> tuple[SizeFacts, ...]:
    counts = Counter((f.image.height, f.image.width) for f in survey.facts if f.image is not None)
    return tuple(SizeFacts(height, width, count) for (height, width), count in counts.most_common())


def _classes(labels: LabelMap, sums: Sums) -> tuple[ClassFacts, ...]:
    counts = zip(labels.classes, sums.pixels.tolist(), sums.images.tolist(), strict=True)
    return tuple(ClassFacts(label.name, label.color, pixels, images) for label, pixels, images in counts)


def _channels(sums: Sums) -> ChannelFacts:
    if not sums.channels:
        return ChannelFacts((), ())
    usual = max(sums.channels.values(), key=lambda channel: channel.pixels)
    mean = usual.total / usual.pixels
    std = np.sqrt(np.maximum(0, usual.squares / usual.pixels - mean**2))
    return ChannelFacts(tuple(mean.round(4).tolist()), tuple(std.round(4).tolist()))


def _location(sums: Sums) -> tuple[tuple[tuple[float, ...], ...], ...]:
    shares = sums.location / np.maximum(1, sums.location.sum(axis=1, keepdims=True))
    grids = shares.round(6).reshape(-1, LOCATION_ROWS, LOCATION_COLUMNS)
    return tuple(tuple(tuple(row) for row in grid) for grid in grids.tolist())
