"""The pairs without an error as a dataset, for a page and a model to look at data that are not yet whole."""

from typing import Any

from numpy.typing import NDArray

from terrazzo.datasets import PairDataset, SegmentationDataset
from terrazzo.datasets.pairing import Pair
from terrazzo.inspect.doctor import masks
from terrazzo.inspect.doctor.usage import Usage, usage_of
from terrazzo.inspect.facts import PairFacts
from terrazzo.inspect.sources import Item
from terrazzo.inspect.survey import Survey


def sound_dataset(survey: Survey) -> SegmentationDataset | None:
    """Return the pairs of a survey that can be opened strictly; None where there is none."""
    usual = _usual_channels(survey)
    usage = usage_of(survey)
    items = [
        item
        for item, facts in zip(survey.source.items, survey.facts, strict=True)
        if _is_sound(facts, usual, usage)
    ]
    if not items:
        return None
    if survey.source.raw:
        return _Files(items, survey)
    return _Items(items, survey, usual)


class _Files(PairDataset):
    """Sound pairs of files."""

    def __init__(self, items: list[Item], survey: Survey) -> None:
        self.kind = survey.source.kind
        root = survey.source.root
        pairs = [Pair(item.id, root / item.image, root / item.mask) for item in items]
        groups = [item.group for item in items]
        super().__init__(pairs, split=_split(items), labels=survey.labels, groups=groups)


class _Items(SegmentationDataset):
    """Sound items of datasets that make their own."""

    def __init__(self, items: list[Item], survey: Survey, channels: int) -> None:
        self.kind = survey.source.kind
        self.items = items
        self.datasets = survey.source.datasets
        super().__init__(
            split=_split(items),
            labels=survey.labels,
            ids=[item.id for item in items],
            groups=[item.group for item in items],
            in_channels=channels,
        )

    def read(self, index: int) -> tuple[NDArray[Any], NDArray[Any], str]:
        """Read through the dataset that an item belongs to."""
        item = self.items[index]
        return self.datasets[item.split].read(item.index)


def _is_sound(facts: PairFacts, channels: int, usage: Usage) -> bool:
    image, mask = facts.image, facts.mask
    if facts.faults or image is None or mask is None or image.channels != channels:
        return False
    if (image.height, image.width) != (mask.height, mask.width):
        return False
    kind = masks.diagnose(facts, usage)
    return not kind or masks.KINDS[kind].severity != "error"


def _usual_channels(survey: Survey) -> int:
    counts = [facts.image.channels for facts in survey.facts if facts.image is not None]
    return max(set(counts), key=counts.count) if counts else 0


def _split(items: list[Item]) -> str:
    splits = {item.split for item in items}
    return splits.pop() if len(splits) == 1 else "all"
