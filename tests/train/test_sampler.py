"""`train.sampler`: from a recipe to draws, kept over a restart, and its errors."""

import json
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from terrazzo.core.errors import CheckpointError, ConfigError, RequestError
from terrazzo.core.sample import Sample
from terrazzo.datasets import SegmentationDataset, build_dataset
from terrazzo.train import build_recipe
from terrazzo.train.batches import Draw, Draws, Stage, TransformedSamples, Wish
from terrazzo.train.build import build_data
from terrazzo.train.class_pixels import count_class_pixels, read_class_pixels, store_class_pixels
from terrazzo.train.plans import Plan, Repeated, Uniform
from terrazzo.train.sampler import SamplerConfig, build_plan
from tests.datasets.conftest import CLASSES, save_pairs


@pytest.fixture(scope="module")
def data() -> SegmentationDataset:
    return build_dataset("scenes", size=[48, 64], count=12, cache=True)


def plan_of(data: SegmentationDataset, **settings: Any) -> Plan:
    return build_plan(SamplerConfig(**settings), data, lambda: count_class_pixels(data))


def keep(
    image: NDArray[Any], mask: NDArray[Any], rng: np.random.Generator
) -> tuple[NDArray[Any], NDArray[Any]]:
    return image, mask


def draws(plan: Plan, position: int = 0, rank: int = 0, world: int = 1) -> Draws:
    return Draws(
        12,
        (Stage(1.0, 5, keep),),
        seed=2,
        position=position,
        micro_batches=position // (5 * world),
        accumulate=1,
        progress=lambda step, samples: 0.0,
        rank=rank,
        world=world,
        plan=plan,
    )


@pytest.mark.parametrize("kind", ["class-balanced", "repeat-factor", "rare-class"])
def test_draws__any_sampler_goes_on_where_it_was_and_divides_over_processes(
    data: SegmentationDataset, kind: str
) -> None:
    plan = plan_of(data, kind=kind, threshold=0.9)
    whole = list(islice(draws(plan), 20))
    assert list(islice(draws(plan, position=35), 13)) == whole[7:]
    pairs = zip(draws(plan, rank=0, world=2), draws(plan, rank=1, world=2), strict=False)
    together = [d for first, second in islice(pairs, 10) for d in (*first, *second)]
    assert together == [d for batch in whole for d in batch]


def test_draws__every_visit_of_an_epoch_is_another_sample() -> None:
    plan = Repeated(np.array([3.0, 1.0, 0.0, 2.0]))
    flat = [d for batch in islice(draws(plan), 12) for d in batch]
    first = [d for d in flat if d.epoch == 0]
    assert sorted((d.index, d.visit) for d in first) == [(0, 0), (0, 1), (0, 2), (1, 0), (3, 0), (3, 1)]
    assert len(set(flat)) == len(flat)


class Noise:
    """A transform that only shows which numbers it was given."""

    def __call__(
        self, image: NDArray[Any], mask: NDArray[Any], rng: np.random.Generator
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        return rng.integers(0, 256, (4, 4, 3), dtype=np.uint8), mask[:4, :4]


def test_transformed_samples__a_second_visit_is_another_crop(data: SegmentationDataset) -> None:
    samples = TransformedSamples(data, (Stage(1.0, 1, Noise()),), seed=3)
    one, two = samples[Draw(1, 4, 0)], samples[Draw(1, 4, 0, visit=1)]
    assert not np.array_equal(one["image"], two["image"])
    np.testing.assert_array_equal(two["image"], samples[Draw(1, 4, 0, visit=1)]["image"])


class Strip:
    """A transform that shows one of eight columns."""

    def __call__(
        self, image: NDArray[Any], mask: NDArray[Any], rng: np.random.Generator
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        at = int(rng.integers(8))
        return image[:, at : at + 1], mask[:, at : at + 1]


class Columns:
    """Masks (4, 8): one column of class 1, the rest 0."""

    def __len__(self) -> int:
        return 30

    def __getitem__(self, index: int) -> Sample:
        mask = np.zeros((4, 8), np.uint8)
        mask[:, index % 8] = 1
        return Sample(image=np.zeros((4, 8, 3), np.uint8), mask=mask, id=str(index), group=None)


@pytest.mark.parametrize(("wish", "low", "high"), [(Wish(1), 0.0, 0.4), (Wish(60, 0.5), 1.0, 1.0)])
def test_transformed_samples__crops_show_the_class_they_were_drawn_for(
    wish: Wish, low: float, high: float
) -> None:
    samples = TransformedSamples(Columns(), (Stage(1.0, 1, Strip()),), seed=0, wish=wish)
    shown = [bool(samples[Draw(0, i, 0, wanted=1)]["mask"].any()) for i in range(30)]
    assert low <= np.mean(shown) <= high


def test_class_pixels__count_every_mask_once(data: SegmentationDataset) -> None:
    counts = count_class_pixels(data)
    assert counts.shape == (12, 9)
    for index, sample in enumerate(data):
        assert counts[index].tolist() == [int((sample["mask"] == k).sum()) for k in range(9)]


def test_class_pixels__read_the_masks_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_pairs(tmp_path / "images", tmp_path / "masks", [f"s{i}" for i in range(5)])
    (tmp_path / "classes.json").write_text(json.dumps(CLASSES))
    data = build_dataset("folder", root=tmp_path)
    expected = count_class_pixels(build_dataset("folder", root=tmp_path, cache=True))
    monkeypatch.setattr("terrazzo.datasets.base.read_image", None)
    np.testing.assert_array_equal(count_class_pixels(data), expected)


def test_class_pixels__kept_in_the_run_folder(data: SegmentationDataset, tmp_path: Path) -> None:
    path = tmp_path / "class_pixels.npz"
    store_class_pixels(path, data)
    before = path.stat().st_mtime_ns
    store_class_pixels(path, data)
    assert path.stat().st_mtime_ns == before
    np.testing.assert_array_equal(read_class_pixels(path, data), count_class_pixels(data))
    with pytest.raises(
        CheckpointError, match=r"holds the counts of data .* \(12 samples\).*with other draws"
    ):
        read_class_pixels(path, build_dataset("scenes", size=[48, 64], count=11))
    with pytest.raises(CheckpointError, match=r"holds the counts of data .*with other draws"):
        read_class_pixels(path, build_dataset("scenes", size=[48, 64], count=12, seed=1))
    path.write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match="cannot be read as pixel counts"):
        read_class_pixels(path, data)


def test_build_plan__uniform_counts_nothing(data: SegmentationDataset) -> None:
    def never() -> Any:
        raise AssertionError("counted")

    assert build_plan(SamplerConfig(), data, never) == Uniform(12)


def test_build_plan__weights_come_from_the_data(data: SegmentationDataset) -> None:
    with pytest.raises(
        RequestError, match=r"sampler\.kind is weights, but 'scenes' data carry none\. Use a man"
    ):
        plan_of(data, kind="weights")
    weighted = build_dataset("scenes", size=[48, 64], count=3)
    weighted.weights = (1.0, 0.0, 3.0)
    assert plan_of(weighted, kind="weights").times.tolist() == [0.75, 0.0, 2.25]  # type: ignore[attr-defined]
    weighted.weights = (0.0, 0.0, 0.0)
    with pytest.raises(RequestError, match="All 3 training samples have weight 0"):
        plan_of(weighted, kind="weights")


def test_build_plan__a_threshold_without_effect_is_refused(data: SegmentationDataset) -> None:
    with pytest.raises(
        RequestError, match=r"threshold is 0\.001, but no class is rarer: '\w+', the rarest, ha"
    ):
        plan_of(data, kind="repeat-factor")


def test_build_plan__without_labels_it_is_refused(data: SegmentationDataset) -> None:
    with pytest.raises(RequestError, match="no pixel of the training set is labelled"):
        build_plan(SamplerConfig(kind="rare-class"), data, lambda: np.zeros((12, 9), np.int64))


def test_recipe__mistakes_are_named() -> None:
    with pytest.raises(
        ConfigError, match=r"unknown key 'train\.sampler\.treshold': did you mean 'threshold'"
    ):
        build_recipe({"train": {"steps": 1, "sampler": {"treshold": 0.1}}})
    with pytest.raises(ConfigError, match=r"train\.sampler\.kind = 'rare'"):
        build_recipe({"train": {"steps": 1, "sampler": {"kind": "rare"}}})


def test_recipe__cache_and_size_of_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERRAZZO_CACHE", str(tmp_path))
    section = {"cache": "disk", "resize": 0.5, "options": {"size": [48, 64], "count": 2}}
    recipe = build_recipe({"data": section, "train": {"steps": 1}})
    data = build_data(recipe.data, "train")
    assert data[0]["image"].shape == (24, 32, 3)
    assert data._disk is not None
    data._disk.flush()
    assert len(list(tmp_path.rglob("*.sample"))) == 1
    assert "resized to 0.5 times their size: scores are at that size" in data.notes[-1]
    twice = build_recipe({"data": {**section, "options": {"cache": True}}, "train": {"steps": 1}})
    with pytest.raises(
        RequestError, match=r"given as data\.cache and as data\.options\.cache; keep the first"
    ):
        build_data(twice.data, "train")
