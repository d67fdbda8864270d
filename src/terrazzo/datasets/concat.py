"""`concat`: several data sources as one, their label maps reconciled by name.

    kind: concat
    sources:
      - camvid:data/camvid                              anything that `open_dataset` opens
      - {source: mine.yaml, name: mine, splits: [train], weight: 2}
    aliases: {Car: [automobile]}

Classes, files, licences: those of the sources. Split: that of each source; `splits` says which of them a
source takes part in, so that one may lend its images to training alone. Ids and groups get the source's
name in front, so they stay unique. Weight: a factor on the weights of a source, for the sampler `weights`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from terrazzo.core.config import Config, validate
from terrazzo.core.errors import RequestError
from terrazzo.datasets.base import SPLITS, SegmentationDataset, check_split, wanted_splits
from terrazzo.datasets.reconcile import Missing, Unmatched, reconcile


class SourceConfig(Config):
    """One entry of `sources`."""

    source: str
    """What `open_dataset` opens: kind:path, a folder, a YAML or a manifest."""

    name: str | None = None
    """Stands in front of ids and groups; the source's kind otherwise, with a number where needed."""

    splits: tuple[str, ...] = SPLITS
    """The splits that it takes part in."""

    weight: float = 1.0
    """Factor on the weights of its samples, for the sampler `weights`."""

    options: dict[str, Any] = Field(default_factory=dict)
    """Of its kind."""


@dataclass(frozen=True)
class Part:
    """One split of one source."""

    name: str
    data: SegmentationDataset
    weight: float


class Concat(SegmentationDataset):
    """The samples of several datasets, one after the other."""

    kind = "concat"

    def __init__(
        self,
        split: str = "train",
        *,
        sources: Sequence[str | Mapping[str, Any]] = (),
        classes: Sequence[str] | None = None,
        aliases: Mapping[str, Sequence[str]] | None = None,
        missing: Missing = "error",
        unmatched: Unmatched = "error",
        cache: bool = False,
    ) -> None:
        """Open the sources and reconcile their labels.

        Args:
            split: train, val, test or all.
            sources: what to open, each as a string or as a mapping of `SourceConfig`.
            classes: the common classes in their order; those of all sources otherwise.
            aliases: common class -> other names it has.
            missing: `allow` where a source may lack a class.
            unmatched: `void` where classes that are not wanted count for nothing.
            cache: keep decoded samples in memory.

        Raises:
            RequestError: no source, one that cannot be opened, labels that do not agree, images of different
                channels, images beside volumes, or ids that come twice.
            DataError: the data of a source are not what they should be.
        """
        check_split(split)
        configs = [_source(entry, number) for number, entry in enumerate(sources, start=1)]
        parts = _open(configs, split)
        self.parts = parts
        maps = {part.name: part.data.labels for part in parts}
        labels, self._tables = reconcile(
            maps, classes=classes, aliases=aliases, missing=missing, unmatched=unmatched
        )
        self._items = [(p, i) for p, part in enumerate(parts) for i in range(len(part.data))]
        ids = [f"{part.name}-{name}" for part in parts for name in part.data.ids]
        groups = [g and f"{part.name}-{g}" for part in parts for g in part.data.groups]
        _refuse_twice(ids)
        _refuse_other_images(parts)
        self.sides = parts[0].data.sides
        super().__init__(
            split=split,
            labels=labels,
            ids=ids,
            groups=groups,
            in_channels=parts[0].data.in_channels,
            cache=cache,
        )
        self.notes = tuple(f"{part.name}: {note}" for part in parts for note in part.data.notes)
        self.weights = _weights(parts)

    def prepare(
        self,
        *,
        cache: bool | str | None = None,
        resize: Any = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """As of every dataset; what a sample looks like follows from the sources' labels and sizes too."""
        of = {p.name: [p.data.kind, p.data.labels.to_json(), p.data.resize] for p in self.parts}
        super().prepare(cache=cache, resize=resize, facts={**(facts or {}), "parts": of})

    def read(self, index: int) -> tuple[NDArray[Any], NDArray[Any], str]:
        """Return the sample of a source, its mask in the common ids."""
        part, place = self._items[index]
        sample = self.parts[part].data[place]
        return sample["image"], self._common(part, sample["mask"]), sample["id"]

    def mask(self, index: int) -> NDArray[Any]:
        """Return the mask alone, as its source reads it."""
        if self.resize is not None:
            return super().mask(index)
        part, place = self._items[index]
        raw = self._common(part, self.parts[part].data.mask(place))
        return self.labels.encode(raw, source=self.ids[index], sides=self.sides)

    def files(self, index: int) -> tuple[Path, ...] | None:
        """Return the files that the source names."""
        part, place = self._items[index]
        return self.parts[part].data.files(place)

    def _common(self, part: int, mask: NDArray[Any]) -> NDArray[Any]:
        """Return train ids of a source as raw ids of the common map, which are its train ids and void."""
        table = self._tables[self.parts[part].name]
        void = self.labels.void_ids[0]
        raw = np.where(table == self.labels.ignore_index, void, table).astype(np.uint16)
        common: NDArray[Any] = (raw.astype(np.uint8) if void <= 255 else raw)[mask]
        return common


def _source(entry: str | Mapping[str, Any], number: int) -> SourceConfig:
    given = {"source": entry} if isinstance(entry, str) else entry
    config = validate(SourceConfig, given, source=f"sources, entry {number}")
    for split in config.splits:
        check_split(split)
    return config


def _open(configs: Sequence[SourceConfig], split: str) -> list[Part]:
    """Open every source for the splits that it takes part in, split by split."""
    from terrazzo.datasets.build import open_dataset

    names = _names(configs)
    parts = [
        Part(name, open_dataset(config.source, split=one, **config.options), config.weight)
        for one in wanted_splits(split)
        for name, config in zip(names, configs, strict=True)
        if one in config.splits
    ]
    if not parts:
        raise RequestError(
            f"No source takes part in the split {split!r}; sources: {', '.join(names) or 'none'}. "
            "Give at least one source whose splits have it."
        )
    return parts


def _names(configs: Sequence[SourceConfig]) -> list[str]:
    """Return a name for each source: as given, else its kind or file name, numbered where it comes twice."""
    names: list[str] = []
    bases: list[str] = []
    for config in configs:
        kind, colon, _ = config.source.partition(":")
        name = config.name or (kind if colon else Path(config.source).stem)
        taken = bases.count(name)
        bases.append(name)
        if config.name and config.name in names:
            raise RequestError(f"Two sources are called {config.name!r}; expected different names.")
        names.append(f"{name}{taken + 1}" if taken else name)
    return names


def _refuse_twice(ids: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in ids:
        if name in seen:
            raise RequestError(
                f"The id {name!r} comes twice over the sources: is one given twice, or are its splits not "
                "disjoint? Give each source a name of its own."
            )
        seen.add(name)


def _refuse_other_images(parts: Sequence[Part]) -> None:
    first = parts[0]
    things = {2: "images", 3: "volumes"}
    for part in parts:
        if part.data.sides != first.data.sides:
            raise RequestError(
                f"{first.name} has {things[first.data.sides]} and {part.name} {things[part.data.sides]}; "
                "expected one of the two. Leave one of them out."
            )
        if part.data.in_channels != first.data.in_channels:
            raise RequestError(
                f"{first.name} has images of {first.data.in_channels} channels and {part.name} of "
                f"{part.data.in_channels}; expected one number. Convert one of them."
            )


def _weights(parts: Sequence[Part]) -> tuple[float, ...] | None:
    if all(part.data.weights is None and part.weight == 1 for part in parts):
        return None
    return tuple(
        part.weight * weight for part in parts for weight in (part.data.weights or (1.0,) * len(part.data))
    )
