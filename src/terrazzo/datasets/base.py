"""What every dataset is: a sequence of samples with stable ids, groups and a label map.

A subclass says what there is (`ids`, `groups`, `labels`) and how one item is read (`read`, the raw mask
still raw). This base encodes masks, checks what came, brings samples to another size and keeps decoded ones
in memory or on disk when asked (`prepare`).
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from numpy.typing import NDArray

from terrazzo.core.errors import DataError, RequestError
from terrazzo.core.images import image_size, read_image, read_mask
from terrazzo.core.labels import LabelMap
from terrazzo.core.resize import Resize, checked_resize, resize_ids, resize_sample, resized_size
from terrazzo.core.sample import Sample
from terrazzo.datasets.disk_cache import Arrays, DiskCache
from terrazzo.datasets.pairing import Pair
from terrazzo.datasets.preparation import cache_parameters, checked_cache, resize_note
from terrazzo.datasets.splits import SPLITS, check_split, refuse_empty, wanted_splits

__all__ = [
    "SPLITS",
    "PairDataset",
    "SegmentationDataset",
    "check_split",
    "refuse_empty",
    "wanted_splits",
]


class SegmentationDataset(ABC):
    """A sequence of `Sample`s. Reading is deterministic: the same index gives the same bytes, always."""

    kind: str
    """The name in `DATASETS`."""

    known_labels: ClassVar[LabelMap | None] = None
    """The label map, where every dataset of this kind has the same."""

    notes: tuple[str, ...] = ()
    """What a person should know of this data but need not fix; goes into the protocol of a score."""

    weights: tuple[float, ...] | None = None
    """How often each sample is wanted, relative to the others, where the data say so; 0 or more."""

    resize: Resize | None = None
    """What size samples are brought to; set by `prepare`."""

    _disk: DiskCache | None = None

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
        """Return image (H, W, C), raw mask (H, W) or (H, W, 3), and the mask's name for messages."""

    def files(self, index: int) -> tuple[Path, ...] | None:
        """Return the files that a sample is read from, by which a cache on disk knows that it is out of date.

        None where the kind does not say; then there is no cache on disk.
        """
        return None

    def prepare(
        self,
        *,
        cache: bool | str | None = None,
        resize: Any = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """Choose size and keeping of samples, before the first is read. Any kind can have both.

        Args:
            cache: one of `preparation.CACHES`; True and False mean memory and none, None leaves it.
            resize: (H, W), or a factor; see `core.resize` for the pixels. The score is then at that size.
            facts: the options this dataset was made with, all that decide what a sample looks like.

        Raises:
            RequestError: an unknown cache or size, a kind that names no files, or a disk without the room.
        """
        self.resize = checked_resize(resize)
        if self.resize is not None:
            self.notes += (resize_note(self.resize),)
        if cache is None:
            return
        where = checked_cache(cache)
        self._cache = {} if where == "memory" else None
        if where.startswith("disk"):
            self._open_disk(facts or {}, hashed=where == "disk-hashed")

    @property
    def cache_note(self) -> str | None:
        """Where decoded samples lie on disk and how large they are, for people."""
        return None if self._disk is None else self._disk.describe()

    def mask(self, index: int) -> NDArray[Any]:
        """Return the mask (H, W) of train ids alone, at less cost than the whole sample where possible."""
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
        if size != raw.shape[:2]:
            raise DataError(
                f"{source}: the mask is {raw.shape[0]} x {raw.shape[1]} but its image "
                f"{size[0]} x {size[1]} (height x width); expected one size. "
                "Export the mask again at the size of its image."
            )
        if image.shape[2] != self.in_channels:
            raise DataError(
                f"{self.ids[index]}: the image has {image.shape[2]} channels but this dataset "
                f"{self.in_channels}, as its first image; expected one number. Convert them to one kind."
            )
        mask = self.labels.encode(raw, source=source)
        if self.resize is None:
            return image, mask
        return resize_sample(image, mask, resized_size(size, self.resize))

    def _read_at_least(self, index: int) -> tuple[NDArray[Any], NDArray[Any], str, tuple[int, int]]:
        """Read a sample, the image perhaps smaller than on disk; last the size (H, W) it has there."""
        image, raw, source = self.read(index)
        return image, raw, source, image.shape[:2]

    def _open_disk(self, facts: Mapping[str, Any], *, hashed: bool) -> None:
        if self.files(0) is None:
            raise RequestError(
                f"cache: disk is not there for {self.kind!r} data: they do not say which files they are read "
                "from, so a change would go unnoticed. Use cache: memory."
            )
        parameters = cache_parameters(self.kind, self.labels, self.resize, facts)
        self._disk = DiskCache(self.kind, parameters, hashed=hashed)
        first = self[0]
        self._disk.refuse_full_disk((first["image"].nbytes + first["mask"].nbytes) * len(self))


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

    def _read_at_least(self, index: int) -> tuple[NDArray[Any], NDArray[Any], str, tuple[int, int]]:
        if self.resize is None or self._reads_otherwise:
            return super()._read_at_least(index)
        pair = self.pairs[index]
        size = image_size(pair.image)
        image = read_image(pair.image, at_least=resized_size(size, self.resize))
        return image, read_mask(pair.mask), str(pair.mask), size
