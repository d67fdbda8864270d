"""A contact sheet of augmented samples: what training sees, or every operation at several strengths.

Every geometric operation that is shown is checked: the edges of image and mask must still agree, and no label
may be new (see `transforms.agreement`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.labels import LabelMap
from terrazzo.core.randomness import Stream, generator
from terrazzo.core.resize import resize_ids, resize_image
from terrazzo.core.sample import Sample
from terrazzo.datasets import SegmentationDataset
from terrazzo.figures import as_rgb, overlay
from terrazzo.figures.contact_sheet import Cell, contact_sheet
from terrazzo.figures.pictures import Picture
from terrazzo.train.augmented import refuse_volumes
from terrazzo.train.batches import Draw, Stage, Transform, TransformedSamples
from terrazzo.transforms import OPERATIONS, CropTransform, Pipeline
from terrazzo.transforms.agreement import Agreement, edge_agreement, invented_labels
from terrazzo.transforms.apply import apply_alone
from terrazzo.transforms.geometric import cut
from terrazzo.transforms.operation import Bend, Mix, Move
from terrazzo.transforms.pipeline import describe
from terrazzo.transforms.strengths import amount_at

ALPHA = 0.35
"""Of the class colours over an image."""

WIDTH = 260
"""Of a picture on a sheet, pixels."""

Pair = tuple[NDArray[Any], NDArray[Any]]


@dataclass(frozen=True)
class Check:
    """What the sanity check says of one augmented sample."""

    sample: str
    operations: tuple[str, ...]
    before: Agreement
    after: Agreement
    problem: str | None
    """A sentence where image and mask did not move alike; None where all is well."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "sample": self.sample,
            "operations": list(self.operations),
            "contrast_before": self.before.contrast,
            "contrast_after": self.after.contrast,
            "offset": list(self.after.offset),
            "problem": self.problem,
        }


@dataclass(frozen=True)
class Preview:
    """A contact sheet, and what was found while it was made."""

    picture: Picture
    checks: tuple[Check, ...]

    @property
    def problems(self) -> list[Check]:
        """Samples whose image and mask did not move alike."""
        return [check for check in self.checks if check.problem]


def preview_samples(
    data: SegmentationDataset,
    transform: Transform,
    indices: Sequence[int],
    *,
    versions: int,
    seed: int,
    width: int = WIDTH,
) -> Preview:
    """Show samples as training sees them in its first epochs, beside their originals.

    Args:
        data: what to show.
        transform: of the recipe.
        indices: which samples, one row each.
        versions: how many epochs.
        seed: the run's.
        width: of every picture, pixels.

    Raises:
        RequestError: the data are volumes.
    """
    refuse_volumes(data)
    made = TransformedSamples(data, [Stage(1.0, 1, transform)], seed)
    rows, checks = [], []
    for index in indices:
        sample = data[index]
        row = [_cell(_pair(sample), data.labels, "original", sample["id"])]
        for epoch in range(versions):
            words, still, moved = _planned(transform, sample, seed, epoch, index)
            row.append(_cell(_pair(made[Draw(epoch, index, 0)]), data.labels, *words))
            before = edge_agreement(*still, data.labels.ignore_index)
            checks.append(_check(sample, words, before, moved, data.labels))
        rows.append(row)
    return Preview(
        contact_sheet(rows, width=width, title="Originals, and what training makes of them"), tuple(checks)
    )


def preview_operations(
    data: SegmentationDataset,
    kinds: Sequence[str],
    strengths: Sequence[float],
    *,
    index: int,
    seed: int,
    width: int = WIDTH,
) -> Preview:
    """Show one sample under every operation at several strengths, each operation by itself.

    Args:
        data: where the sample and those mixed into it come from.
        kinds: names of operations, one row each.
        strengths: 0..1, one column each.
        index: the sample.
        seed: of the draws.
        width: of every picture, pixels.

    Raises:
        RequestError: the data are volumes.
    """
    refuse_volumes(data)
    sample, void = data[index], data.labels.ignore_index
    pair = _pair(sample)
    before = edge_agreement(*pair, void)
    rows, checks = [], []
    for kind in kinds:
        row = [_cell(pair, data.labels, kind, "original")]
        for strength in strengths:
            rng = generator(seed, Stream.TRANSFORM, index)  # the same places and sides at every strength
            on_off = OPERATIONS[kind].on_off
            drawn = OPERATIONS[kind].draw(1.0 if on_off else amount_at(kind, strength), rng)
            assert drawn is not None
            others = _others(data, index, drawn.partners, pair) if isinstance(drawn, Mix) else []
            after = apply_alone(drawn, *pair, others, void)
            words = (f"{kind} on" if on_off else f"{kind} {strength:.2f}",)
            row.append(_cell(after, data.labels, *words))
            if isinstance(drawn, Move | Bend):
                checks.append(_check(sample, words, before, after, data.labels))
        rows.append(row)
    return Preview(contact_sheet(rows, width=width, title="Every operation by itself"), tuple(checks))


def _planned(
    transform: Transform, sample: Sample, seed: int, epoch: int, index: int
) -> tuple[tuple[str, ...], Pair, Pair]:
    """Return what happens to a sample, in words, and its crop before and after geometry, colours left alone.

    Of a preset, which draws and acts at once, the crop comes back with its colours changed.
    """
    rng, again = (generator(seed, Stream.TRANSFORM, epoch, index) for _ in range(2))
    pair = _pair(sample)
    if isinstance(transform, CropTransform):
        window = transform.choose_window(sample["mask"], again)
        still = cut(*pair, window, transform.crop, transform.ignore_index)
        return (f"epoch {epoch}", "the preset"), still, transform(*pair, rng)
    assert isinstance(transform, Pipeline)
    plan = transform.plan(sample["mask"], rng)
    mixed = transform.plan_mix(generator(seed, Stream.MIX, epoch, index))
    words = f"epoch {epoch}", ", ".join((*plan.describe(), *describe(mixed))) or "crop alone"
    still, moved = (transform.render(*pair, p) for p in (plan.window_alone(), plan.geometry_alone()))
    return words, still, moved


def _check(
    sample: Sample,
    words: tuple[str, ...],
    before: Agreement,
    after: Pair,
    labels: LabelMap,
) -> Check:
    agreement = edge_agreement(*after, labels.ignore_index)
    problem = agreement.worse_than(before)
    new = invented_labels(sample["mask"], after[1], labels.ignore_index)
    if new:
        problem = f"labels {new} are in the mask now, but were not before"
    return Check(sample["id"], words, before, agreement, problem)


def _others(data: SegmentationDataset, index: int, count: int, like: Pair) -> list[Pair]:
    """Return samples from elsewhere in the data, brought to one size."""
    size = (like[1].shape[0], like[1].shape[1])
    apart = max(1, len(data) // 5)  # neighbours may be frames of one video
    found = [data[(index + (1 + number) * apart) % len(data)] for number in range(count)]
    return [(resize_image(s["image"], size), resize_ids(s["mask"], size)) for s in found]


def _pair(sample: Sample) -> Pair:
    return sample["image"], sample["mask"]


def _cell(pair: Pair, labels: LabelMap, *caption: str) -> Cell:
    """Show an image above the same image under its labels."""
    image = as_rgb(pair[0])
    gap = np.full((2, image.shape[1], 3), 255, dtype=np.uint8)
    return Cell(np.vstack([image, gap, overlay(image, pair[1], labels, ALPHA)]), caption)
