"""What every dataset is: a sequence of samples with stable ids, groups and a label map.

A subclass says what there is (`ids`, `groups`, `labels`) and how one item is read (`read`, the raw mask
still raw). This base encodes masks, checks what came, brings samples to another size and keeps decoded ones
in memory or on disk when asked (`prepare`).
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from numpy.typing import NDArray

from terrazzo.core.errors import DataError, RequestError, closest
from terrazzo.core.images import image_size, read_image, read_mask
from terrazzo.core.labels import LabelMap
from terrazzo.core.resize import resize_ids, resize_sample, resized_size
from terrazzo.core.sample import Sample
from terrazzo.datasets.pairing import Pair
from terrazzo.datasets.preparation import Prepared
from terrazzo.datasets.sample_file import Arrays

SPLITS = ("train", "val", "test")
"""The splits there may be; `all` stands for these together, in this order."""


class SegmentationDataset(Prepared, ABC):
    """A sequence of `Sample`s. Reading is deterministic: the same index gives the same bytes, always."""

    kind: str
    """The name in `DATASETS`."""

    known_labels: ClassVar[LabelMap | None] = None
    """The label map that every dataset of this kind has, unless options choose other classes."""

    further_splits: ClassVar[tuple[str, ...]] = ()
    """Splits that this kind has beyond `SPLITS`; they overlap with those and are no part of `all`."""

    sides: int = 2
    """Dimensions of an image; 3 where they are volumes."""

    notes: tuple[str, ...] = ()
    """What a person should know of this data but need not fix; goes into the protocol of a score."""

    weights: tuple[float, ...] | None = None
    """How often each sample is wanted, relative to the others, where the data say so; 0 or more."""

    def __init__(
        self,
        *,
        split: str,
        labels: LabelMap,
        ids: Sequence[str],
        groups: Sequence[str | None],
        in_channels: int,
        cache: bool = False,
    ) -> None:
        """Keep what describes the dataset.

        Args:
            split: train, val, test or all.
            labels: what the raw masks mean.
            ids: stable and unique, in the order of the items.
            groups: the scene or video of each item, None where unknown.
            in_channels: C of every image.
            cache: keep decoded samples in memory (each worker process its own).
        """
        self.split = split
        self.labels = labels
        self.ids = tuple(ids)
        self.groups = tuple(groups)
        self.in_channels = in_channels
        self._cache: dict[int, Sample] | None = {} if cache else None

    @abstractmethod
    def read(self, index: int) -> tuple[NDArray[Any], NDArray[Any], str]:
        """Return image (H, W, C), raw mask (H, W) or (H, W, 3), and the mask's name for messages.

        Of a volume image (D, H, W, C) and raw mask (D, H, W).
        """

    def mask(self, index: int) -> NDArray[Any]:
        """Return the mask (H, W) or (D, H, W) of train ids alone, at less cost where possible."""
        return self[index]["mask"]

    @property
    def fingerprint(self) -> str:
        """Short sha256 of kind, split, ids, labels and size: what a score's protocol names the data by."""
        facts: list[Any] = [self.kind, self.split, self.ids, self.labels.to_json()]
        facts += [] if self.resize is None else [self.resize]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Sample:
        """Return the sample at an index; the arrays are the caller's own.

        Raises:
            IndexError: there is no such item.
            DataError: a file is unreadable, image and mask differ in size, or a label is undeclared.
        """
        index = range(len(self))[index]
        if self._cache is None:
            return self._load(index)
        if index not in self._cache:
            self._cache[index] = self._load(index)
        kept = self._cache[index]
        return Sample(
            image=kept["image"].copy(), mask=kept["mask"].copy(), id=kept["id"], group=kept["group"]
        )

    def __getstate__(self) -> dict[str, Any]:
        """Leave the decoded samples behind: a worker process fills its own memory."""
        return self.__dict__ | {"_cache": None if self._cache is None else {}}

    def _load(self, index: int) -> Sample:
        if self._disk is None:
            image, mask = self._decode(index)
        else:
            files = self.files(index) or ()
            image, mask = self._disk.get(self.ids[index], files, lambda: self._decode(index))
        return Sample(image=image, mask=mask, id=self.ids[index], group=self.groups[index])

    def _decode(self, index: int) -> Arrays:
        """Return image and mask of train ids at the size asked for."""
        image, raw, source, size = self._read_at_least(index)
        have = raw.shape[: self.sides]
        if have != size:
            raise DataError(
                f"{source}: the mask is {_by(have)} but its image {_by(size)} "
                f"({'depth x ' if self.sides == 3 else ''}height x width); expected one size. "
                "Export the mask again at the size of its image."
            )
        if image.shape[-1] != self.in_channels:
            raise DataError(
                f"{self.ids[index]}: the image has {image.shape[-1]} channels but this dataset "
                f"{self.in_channels}, as its first image; expected one number. Convert them to one kind."
            )
        mask = self.labels.encode(raw, source=source, sides=self.sides)
        if self.resize is None:
            return image, mask
        return resize_sample(image, mask, resized_size(size, self.resize))

    def _read_at_least(self, index: int) -> tuple[NDArray[Any], NDArray[Any], str, tuple[int, ...]]:
        """Read a sample, the image perhaps smaller than on disk; last the size (H, W) it has there.

        Of a volume the size (D, H, W).
        """
        image, raw, source = self.read(index)
        return image, raw, source, image.shape[:-1]


class PairDataset(SegmentationDataset):
    """A dataset of image files with a mask file each."""

    def __init__(
        self,
        pairs: Sequence[Pair],
        *,
        split: str,
        labels: LabelMap,
        groups: Sequence[str | None],
        cache: bool = False,
    ) -> None:
        """Take pairs that have been checked (see `pairing`); at least one."""
        self.pairs = tuple(pairs)
        super().__init__(
            split=split,
            labels=labels,
            ids=[pair.id for pair in self.pairs],
            groups=groups,
            in_channels=read_image(self.pairs[0].image).shape[2],
            cache=cache,
        )

    def read(self, index: int) -> tuple[NDArray[Any], NDArray[Any], str]:
        """Read both files of a pair."""
        pair = self.pairs[index]
        return read_image(pair.image), read_mask(pair.mask), str(pair.mask)

    def files(self, index: int) -> tuple[Path, ...] | None:
        """Return image and mask."""
        return self.pairs[index].image, self.pairs[index].mask

    def mask(self, index: int) -> NDArray[Any]:
        """Read the mask alone, unless the sample is kept anyway."""
        if self._reads_otherwise or self._disk is not None or self._cache is not None:
            return super().mask(index)
        pair = self.pairs[index]
        mask = self.labels.encode(read_mask(pair.mask), source=str(pair.mask))
        return mask if self.resize is None else resize_ids(mask, resized_size(mask.shape, self.resize))

    @property
    def _reads_otherwise(self) -> bool:
        """Whether a subclass reads its files in a way of its own, which must not be passed by."""
        return type(self).read is not PairDataset.read

    def _read_at_least(self, index: int) -> tuple[NDArray[Any], NDArray[Any], str, tuple[int, ...]]:
        if self.resize is None or self._reads_otherwise:
            return super()._read_at_least(index)
        pair = self.pairs[index]
        size = image_size(pair.image)
        image = read_image(pair.image, at_least=resized_size(size, self.resize))
        return image, read_mask(pair.mask), str(pair.mask), size


def _by(size: Sequence[int]) -> str:
    return " x ".join(map(str, size))


def check_split(split: str, further: Sequence[str] = ()) -> None:
    """Refuse a split that nobody knows; `further` are those of a kind beyond the usual.

    Raises:
        RequestError: it is not train, val, test, all or one of the further ones.
    """
    known = (*SPLITS, *further, "all")
    if split not in known:
        match = closest(split, known)
        hint = f"did you mean {match!r}? " if match else ""
        raise RequestError(f"Unknown split {split!r}: {hint}Expected one of {', '.join(known)}.")


def wanted_splits(split: str) -> tuple[str, ...]:
    """Return the splits that a name stands for: itself, or all three."""
    return SPLITS if split == "all" else (split,)


def count_notes(
    names: Iterable[str], counts: Mapping[str, int], published: Mapping[str, int]
) -> tuple[str, ...]:
    """Return a note for each split that has another number of images than was published.

    Args:
        names: the splits asked for.
        counts: how many images each split has here; 0 where it is left out.
        published: how many it should have; a split that is left out is not compared.
    """
    return tuple(
        f"{name} has {counts.get(name, 0)} images, the published split {published[name]}"
        for name in names
        if name in published and counts.get(name, 0) != published[name]
    )


def refuse_empty(split: str, root: Path, counts: dict[str, int], advice: str = "") -> None:
    """Raise where the split asked for holds nothing.

    Raises:
        DataError: names the split, the folder, and how many pairs each split there has.
    """
    if any(counts.get(name, 0) for name in wanted_splits(split)):
        return
    there = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    raise DataError(
        f"The split {split!r} of {root} is empty: no pair of image and mask. "
        f"Found: {there or 'no pair in any split'}. {advice or 'Choose another split or another folder.'}"
    )
