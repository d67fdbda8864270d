"""What every dataset keeps to. A new kind is one more entry in `BUILDERS`."""

import multiprocessing
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from terrazzo.core import RequestError, Sample
from terrazzo.datasets import DATASETS, SegmentationDataset, build_dataset
from tests.datasets.conftest import save_dataset_dict, save_manifest

Build = Callable[..., SegmentationDataset]


@pytest.fixture(params=sorted(DATASETS))
def build(
    request: pytest.FixtureRequest, heap: Path, tutorial_camvid: Path, monkeypatch: pytest.MonkeyPatch
) -> Build:
    """A function that builds a small dataset of each kind; it takes a split and further options."""
    kind = request.param
    monkeypatch.setenv("TERRAZZO_CACHE", str(heap.parent / "cache"))
    roots: dict[str, Any] = {"folder": heap, "camvid": tutorial_camvid}
    if kind == "manifest":
        roots[kind] = save_manifest(heap)
    elif kind == "huggingface":
        roots[kind] = save_dataset_dict(heap)

    def make(split: str = "train", **options: Any) -> SegmentationDataset:
        if kind == "scenes":
            options = {"size": (48, 64), "count": 4} | options
        if kind == "concat":
            scenes = {"source": "scenes", "options": {"size": [48, 64], "count": 2}}
            options = {"sources": [{**scenes, "name": "a"}, {**scenes, "name": "b"}]} | options
        return build_dataset(kind, root=roots.get(kind), split=split, **options)

    return make


def same(one: Sample, other: Sample) -> bool:
    arrays = np.array_equal(one["image"], other["image"]) and np.array_equal(one["mask"], other["mask"])
    return arrays and (one["id"], one["group"]) == (other["id"], other["group"])


def first_of(samples: list[Sample]) -> Sample:
    return samples[0]


class TestContract:
    def test_facts(self, build: Build) -> None:
        dataset = build()
        assert dataset.kind in DATASETS
        assert dataset.split == "train"
        assert len(dataset) == len(dataset.ids) == len(dataset.groups) > 0
        assert len(set(dataset.ids)) == len(dataset)
        assert isinstance(dataset.notes, tuple)

    def test_samples(self, build: Build) -> None:
        dataset = build()
        for index, sample in enumerate(dataset):
            image, mask = sample["image"], sample["mask"]
            assert image.ndim == 3
            assert image.shape[2] == dataset.in_channels
            assert image.dtype in (np.uint8, np.uint16, np.float32)
            assert mask.shape == image.shape[:2]
            assert mask.dtype == dataset.labels.mask_dtype
            assert set(np.unique(mask)) <= {*range(dataset.labels.num_classes), dataset.labels.ignore_index}
            assert sample["id"] == dataset.ids[index]
            assert sample["group"] == dataset.groups[index]
            assert image.flags.c_contiguous
            assert image.flags.writeable

    def test_same_again(self, build: Build) -> None:
        one, other = build(), build()
        assert one.ids == other.ids
        assert all(same(one[i], other[i]) and same(one[i], one[i]) for i in range(len(one)))

    @pytest.mark.parametrize("cache", ["memory", "disk", "disk-hashed"])
    def test_cache_changes_nothing_and_cannot_be_spoilt(self, build: Build, cache: str) -> None:
        plain, cached = build(), build(cache=cache)
        assert all(same(a, b) for a, b in zip(cached, plain, strict=True))
        for _ in range(2):
            sample = cached[0]
            assert same(sample, plain[0])
            sample["image"][:] = 0
            sample["mask"][:] = 0

    def test_resized_samples_and_masks_alone(self, build: Build) -> None:
        small, plain = build(resize=(5, 7)), build()
        for index, sample in enumerate(small):
            assert sample["image"].shape == (5, 7, plain.in_channels)
            assert sample["image"].dtype == plain[index]["image"].dtype
            assert np.array_equal(small.mask(index), sample["mask"])
            assert np.array_equal(plain.mask(index), plain[index]["mask"])
        assert small.fingerprint != plain.fingerprint
        assert "resized to 5 x 7" in small.notes[-1]

    def test_index_out_of_range(self, build: Build) -> None:
        dataset = build()
        with pytest.raises(IndexError):
            dataset[len(dataset)]
        assert same(dataset[-1], dataset[len(dataset) - 1])

    def test_pickles(self, build: Build) -> None:
        plain, dataset = build(), build(cache=True)
        assert same(plain[0], dataset[0])
        first = dataset[0]
        again = pickle.loads(pickle.dumps(dataset))
        extra = len(pickle.dumps(dataset)) - len(pickle.dumps(plain))
        assert extra < 50, "decoded samples must not travel to workers"
        assert same(again[0], first)
        assert again.fingerprint == dataset.fingerprint

    def test_splits_are_disjoint_and_all_is_their_sum(self, build: Build) -> None:
        splits = [build(split) for split in ("train", "val", "test")]
        ids = [i for dataset in splits for i in dataset.ids]
        assert len(set(ids)) == len(ids)
        whole = build("all")
        assert list(whole.ids) == ids
        assert same(whole[len(ids) - 1], splits[2][len(splits[2]) - 1])

    def test_fingerprint(self, build: Build) -> None:
        assert build().fingerprint == build().fingerprint
        assert build().fingerprint != build("val").fingerprint
        assert len(build().fingerprint) == 12

    def test_unknown_split(self, build: Build) -> None:
        with pytest.raises(RequestError, match="Unknown split 'trian': did you mean 'train'"):
            build("trian")

    def test_unknown_option(self, build: Build) -> None:
        with pytest.raises(RequestError, match="has no option 'cahce': did you mean 'cache'"):
            build(cahce=True)


@pytest.mark.parametrize("kind", ["camvid", "scenes"])
def test_worker_process_gives_the_same_samples(kind: str, tutorial_camvid: Path) -> None:
    if kind == "camvid":
        dataset = build_dataset(kind, root=tutorial_camvid, cache=True)
    else:
        dataset = build_dataset(kind, size=(48, 64), count=3)
    loader: DataLoader[Sample] = DataLoader(
        dataset,  # type: ignore[arg-type]
        num_workers=1,
        collate_fn=first_of,
        multiprocessing_context=multiprocessing.get_context("spawn"),
        generator=torch.Generator(),
    )
    assert all(same(a, b) for a, b in zip(loader, dataset, strict=True))
