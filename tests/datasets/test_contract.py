"""What every dataset keeps to. A new kind is one more entry in `BUILDERS`."""

import multiprocessing
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from terrazzo.core import RequestError, Sample
from terrazzo.datasets import DATASETS, SPLITS, SegmentationDataset, build_dataset
from tests.datasets import (
    make_coco_panoptic,
    make_coco_polygons,
    make_coco_stuff,
    make_cvat,
    make_cvat_masks,
    make_isbi_membrane,
    make_label_studio,
    make_labelme,
    make_stanford_2d3ds,
    make_volumes,
)

Build = Callable[..., SegmentationDataset]

MAKERS: dict[str, Callable[[Path], Path]] = {
    "coco-panoptic": make_coco_panoptic.make,
    "coco-polygons": make_coco_polygons.make,
    "coco-stuff": make_coco_stuff.make,
    "cvat": make_cvat.make,
    "cvat-masks": make_cvat_masks.make,
    "isbi-membrane": make_isbi_membrane.make,
    "label-studio": make_label_studio.make,
    "labelme": make_labelme.make,
    "stanford-2d3ds": make_stanford_2d3ds.make,
    "volumes": make_volumes.make,
}
"""Writes a tiny fake of a kind into a folder that is not there yet, and returns it."""

NO_TEST = {"coco-panoptic", "coco-polygons", "coco-stuff", "isbi-membrane", "stanford-2d3ds"}
"""Kinds without public test labels."""


SHARED = Path(__file__).parents[3] / "shared" / "data"
LABELME = SHARED / "samples" / "labelme_voc" / "semantic_segmentation"
GENUINE: dict[str, tuple[Path, dict[str, object]]] = {
    "isbi-membrane": (SHARED / "isbi_membrane", {}),
    "labelme": (LABELME / "data_annotated", {"classes": str(LABELME / "labels.txt")}),
}
"""Genuine samples beside this checkout: where they are, and what they need to be read."""


@pytest.fixture(params=[*sorted(DATASETS), *(f"{kind}, genuine" for kind in GENUINE)])
def build(request: pytest.FixtureRequest, heap: Path, tutorial_camvid: Path, tmp_path: Path) -> Build:
    """A function that builds a small dataset of each kind; it takes a split and further options."""
    roots = {"folder": heap, "camvid": tutorial_camvid}
    kind, _, genuine = request.param.partition(", ")
    needed: dict[str, object] = {}
    if genuine:
        roots[kind], needed = GENUINE[kind]
        if not roots[kind].is_dir():
            pytest.skip(f"the shared sample of {kind} is not beside this checkout")
    elif kind in MAKERS:
        roots[kind] = MAKERS[kind](tmp_path / kind)

    def make(split: str = "train", **options: object) -> SegmentationDataset:
        if kind == "scenes":
            options = {"size": (48, 64), "count": 4} | options
        return build_dataset(kind, root=roots.get(kind), split=split, **needed, **options)

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
            assert image.ndim == dataset.sides + 1
            assert image.shape[-1] == dataset.in_channels
            assert image.dtype in (np.uint8, np.uint16, np.float32)
            assert mask.shape == image.shape[:-1]
            assert mask.dtype == dataset.labels.mask_dtype
            assert set(np.unique(mask)) <= {*range(dataset.labels.num_classes), dataset.labels.ignore_index}
            assert sample["id"] == dataset.ids[index]
            assert sample["group"] == dataset.groups[index]
            assert image.flags.c_contiguous
            assert image.flags.writeable

    def test_files_are_there(self, build: Build) -> None:
        """What a cache on disk must watch; kinds that do not say are never cached there."""
        dataset = build()
        if (say := getattr(dataset, "files", None)) is not None and (files := say(0)) is not None:
            assert files
            assert all(path.is_file() for path in files)

    def test_same_again(self, build: Build) -> None:
        one, other = build(), build()
        assert one.ids == other.ids
        assert all(same(one[i], other[i]) and same(one[i], one[i]) for i in range(len(one)))

    def test_cache_changes_nothing_and_cannot_be_spoilt(self, build: Build) -> None:
        plain, cached = build(), build(cache=True)
        for _ in range(2):
            sample = cached[0]
            assert same(sample, plain[0])
            sample["image"][:] = 0
            sample["mask"][:] = 0

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
        names = [split for split in SPLITS if split != "test" or build().kind not in NO_TEST]
        splits = [build(split) for split in names]
        ids = [i for dataset in splits for i in dataset.ids]
        assert len(set(ids)) == len(ids)
        whole = build("all")
        assert list(whole.ids) == ids
        assert same(whole[len(ids) - 1], splits[-1][len(splits[-1]) - 1])

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
