"""What every dataset keeps to. A new kind is one more entry in `CASES`."""

import multiprocessing
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from terrazzo.core import DataError, RequestError, Sample
from terrazzo.datasets import DATASETS, SegmentationDataset, build_dataset
from terrazzo.datasets.about import About
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
from tests.datasets.conftest import (
    SAMPLES,
    genuine,
    link_genuine_voc,
    make_heap,
    make_tutorial_camvid,
    save_dataset_dict,
    save_manifest,
)
from tests.datasets.make_ade20k import make_ade20k
from tests.datasets.make_camvid import make_camvid
from tests.datasets.make_cityscapes import make_cityscapes
from tests.datasets.make_kitti import make_kitti_road, make_kitti_semantic
from tests.datasets.make_voc import make_sbd, make_voc

Build = Callable[..., SegmentationDataset]


@dataclass(frozen=True)
class Case:
    """How the fake of one kind is made and opened."""

    make: Callable[[Path], Path] | None = None
    """Writes the fake into a folder and returns the root to open; None where there is nothing to write."""

    options: dict[str, Any] = field(default_factory=dict)
    splits: tuple[str, ...] = ("train", "val", "test")
    """The splits that it has; they make up `all`. The first is what the tests open."""

    sample: str | None = None
    """A folder of genuine samples that the case needs, beside this checkout; skipped where it is not."""


SCENES: dict[str, Any] = {"source": "scenes", "options": {"size": [48, 64], "count": 2}}

LABELME = "labelme_voc/semantic_segmentation"
LABELME_CLASSES = str(SAMPLES / LABELME / "labels.txt")

CASES = {
    "ade20k": Case(make_ade20k, splits=("train", "val")),
    "ade20k, genuine": Case(splits=("val",), sample="ade20k/sampleData"),
    "camvid": Case(make_tutorial_camvid),
    "camvid, 12 classes": Case(make_tutorial_camvid, {"classes": 12}),
    "camvid, 32 colours": Case(make_camvid, {"classes": 32}),
    "cityscapes": Case(make_cityscapes),
    "cityscapes, coarse": Case(make_cityscapes, {"quality": "coarse", "extra": True}, ("train", "val")),
    "cityscapes, colour": Case(make_cityscapes, {"masks": "color", "task": "road"}),
    "cityscapes, genuine": Case(None, {"masks": "labelTrainIds"}, ("train", "val"), "cityscapes"),
    "coco-panoptic": Case(make_coco_panoptic.make, splits=("train", "val")),
    "coco-polygons": Case(make_coco_polygons.make, splits=("train", "val")),
    "coco-stuff": Case(make_coco_stuff.make, splits=("train", "val")),
    "concat": Case(options={"sources": [SCENES | {"name": "a"}, SCENES | {"name": "b"}]}),
    "cvat": Case(make_cvat.make),
    "cvat-masks": Case(make_cvat_masks.make),
    "folder": Case(make_heap),
    "huggingface": Case(lambda root: save_dataset_dict(make_heap(root))),
    "isbi-membrane": Case(make_isbi_membrane.make, splits=("train", "val")),
    "isbi-membrane, genuine": Case(splits=("train", "val"), sample="../isbi_membrane"),
    "kitti-road": Case(make_kitti_road, splits=("train", "val")),
    "kitti-road, genuine": Case(splits=("train",), sample="kitti_road"),
    "kitti-road, lane": Case(make_kitti_road, {"task": "lane"}, ("train", "val")),
    "kitti-semantic": Case(make_kitti_semantic, {"fractions": (0.5, 0.25, 0.25)}),
    "label-studio": Case(make_label_studio.make),
    "labelme": Case(make_labelme.make),
    "labelme, genuine": Case(None, {"classes": LABELME_CLASSES}, sample=f"{LABELME}/data_annotated"),
    "manifest": Case(lambda root: save_manifest(make_heap(root))),
    "sbd": Case(make_sbd, splits=("train", "val")),
    "scenes": Case(options={"size": (48, 64), "count": 4}),
    "stanford-2d3ds": Case(make_stanford_2d3ds.make, splits=("train", "val")),
    "voc": Case(make_voc, splits=("train", "val")),
    "voc, 2007": Case(make_voc, {"year": 2007}),
    "voc, genuine": Case(link_genuine_voc, splits=("train", "val"), sample="voc2012"),
    "voc, augmented": Case(make_voc, {"aug": "SegmentationClassAug"}, ("train", "val")),
    "volumes": Case(make_volumes.make),
}
"""A name is a kind, or a kind and what is special of this case."""


@pytest.fixture(params=sorted(CASES))
def case(request: pytest.FixtureRequest) -> str:
    """The name of one case."""
    name: str = request.param
    return name


@pytest.fixture
def build(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """A function that builds the small dataset of a case; it takes a split and further options."""
    chosen = CASES[case]
    monkeypatch.setenv("TERRAZZO_CACHE", str(tmp_path / "cache"))
    root = genuine(chosen.sample) if chosen.sample else None
    if chosen.make is not None:
        root = chosen.make(tmp_path / "fake")

    def build_case(split: str = chosen.splits[0], **options: Any) -> SegmentationDataset:
        return build_dataset(kind_of(case), root=root, split=split, **(chosen.options | options))

    return build_case


def kind_of(case: str) -> str:
    """Return the kind of a case."""
    return case.partition(",")[0]


def same(one: Sample, other: Sample) -> bool:
    arrays = np.array_equal(one["image"], other["image"]) and np.array_equal(one["mask"], other["mask"])
    return arrays and (one["id"], one["group"]) == (other["id"], other["group"])


def first_of(samples: list[Sample]) -> Sample:
    return samples[0]


class TestContract:
    def test_facts(self, build: Build) -> None:
        dataset = build()
        assert dataset.kind in DATASETS
        assert dataset.split in ("train", "val")
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
        """What a cache on disk must watch; nothing where samples are painted."""
        dataset = build()
        files = dataset.files(len(dataset) - 1)
        assert files is not None
        assert bool(files) == (dataset.kind not in {"scenes", "concat"})
        assert all(path.is_file() for path in files)

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
        plain = build()
        if plain.sides == 3:
            with pytest.raises(RequestError, match=r"resize is \(5, 7\), but the data of kind 'volumes' are"):
                build(resize=(5, 7))
            return
        small = build(resize=(5, 7))
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

    def test_splits_are_disjoint_and_all_is_their_sum(self, build: Build, case: str) -> None:
        splits = [build(split) for split in CASES[case].splits]
        ids = [i for dataset in splits for i in dataset.ids]
        assert len(set(ids)) == len(ids)
        whole = build("all")
        assert list(whole.ids) == ids
        assert same(whole[len(ids) - 1], splits[-1][-1])

    def test_a_split_that_is_not_there(self, build: Build, case: str) -> None:
        for split in {"train", "val", "test"} - {*CASES[case].splits}:
            with pytest.raises(DataError, match=f"The split '{split}' of .* is empty"):
                build(split)

    def test_fingerprint(self, build: Build) -> None:
        assert build().fingerprint == build().fingerprint
        assert build().fingerprint != build("all").fingerprint
        assert len(build().fingerprint) == 12

    def test_unknown_split(self, build: Build) -> None:
        with pytest.raises(RequestError, match="Unknown split 'trian': did you mean 'train'"):
            build("trian")

    def test_unknown_option(self, build: Build) -> None:
        with pytest.raises(RequestError, match="has no option 'cahce': did you mean 'cache'"):
            build(cahce=True)


def test_every_kind_has_a_case() -> None:
    assert {kind_of(case) for case in CASES} == set(DATASETS)


def abouts() -> dict[str, About]:
    """Return what each kind's file says of it; the built-in and a person's own have nothing to say."""
    found = {}
    for kind in sorted(DATASETS):
        module = sys.modules[DATASETS[kind].__module__]
        if hasattr(module, "ABOUT"):
            found[kind] = module.ABOUT
    return found


@pytest.mark.parametrize("kind", sorted(abouts()))
def test_about(kind: str) -> None:
    about = abouts()[kind]
    assert about.name == kind
    assert about.homepage.startswith("http")
    assert all(count > 0 for count in about.splits.values())
    assert about.layout
    further = getattr(DATASETS[kind], "further_splits", ())
    assert set(about.splits) <= {"train", "val", "test", "all", *further}


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
