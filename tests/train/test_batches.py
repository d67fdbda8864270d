"""The stream of batches is a function of its position: workers and restarts change nothing."""

from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from terrazzo.core.sample import Sample
from terrazzo.train.batches import Draw, Draws, Stage, TransformedSamples, collate, endless_batches, stage_at


class Numbers:
    """Ten images whose every pixel is their index."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> Sample:
        image = np.full((4, 6, 3), index, dtype=np.uint8)
        return Sample(image=image, mask=image[..., 0], id=str(index), group=None)


def add_noise(
    image: NDArray[Any], mask: NDArray[Any], rng: np.random.Generator
) -> tuple[NDArray[Any], NDArray[Any]]:
    return (image + rng.integers(0, 100, image.shape)).astype(np.uint8), mask


def crop(
    image: NDArray[Any], mask: NDArray[Any], rng: np.random.Generator
) -> tuple[NDArray[Any], NDArray[Any]]:
    return image[:2, :2], mask[:2, :2]


ONE_STAGE = (Stage(1.0, 3, add_noise),)


def draws(position: int = 0, micro_batches: int = 0, rank: int = 0, world: int = 1) -> Draws:
    return Draws(
        10,
        ONE_STAGE,
        seed=7,
        position=position,
        micro_batches=micro_batches,
        accumulate=1,
        progress=lambda step, samples: 0.0,
        rank=rank,
        world=world,
    )


def test_draws__every_epoch_visits_every_sample_once_in_its_own_order() -> None:
    flat = [draw for batch in islice(draws(), 10) for draw in batch]
    epochs = [[d.index for d in flat if d.epoch == e] for e in range(3)]
    assert all(sorted(order) == list(range(10)) for order in epochs)
    assert epochs[0] != epochs[1]


def test_draws__starting_later_is_the_same_stream() -> None:
    whole = list(islice(draws(), 9))
    assert list(islice(draws(position=12, micro_batches=4), 5)) == whole[4:]


def test_draws__processes_share_every_global_batch() -> None:
    alone = [d for batch in islice(draws(), 8) for d in batch]
    pairs = zip(draws(rank=0, world=2), draws(rank=1, world=2), strict=False)
    together = [d for first, second in islice(pairs, 4) for d in (*first, *second)]
    assert together == alone


def test_draws__stage_changes_by_progress_but_never_within_a_step() -> None:
    stages = (Stage(0.5, 2, add_noise), Stage(1.0, 4, crop))
    stream = Draws(
        10,
        stages,
        seed=0,
        position=0,
        micro_batches=0,
        accumulate=2,
        progress=lambda step, samples: samples / 12,
    )
    batches = list(islice(stream, 6))
    assert [len(b) for b in batches] == [2, 2, 2, 2, 4, 4]
    assert [b[0].stage for b in batches] == [0, 0, 0, 0, 1, 1]


def test_stage_at__the_last_stage_holds_the_end() -> None:
    stages = (Stage(0.25, 1, crop), Stage(1.0, 1, crop))
    assert [stage_at(stages, p) for p in (0.0, 0.24, 0.25, 1.0)] == [0, 0, 1, 1]


def test_transformed_samples__depend_on_seed_epoch_and_index_only() -> None:
    samples = TransformedSamples(Numbers(), ONE_STAGE, seed=3)
    first, again = samples[Draw(1, 4, 0)], samples[Draw(1, 4, 0)]
    other_epoch = samples[Draw(2, 4, 0)]
    other_seed = TransformedSamples(Numbers(), ONE_STAGE, seed=4)[Draw(1, 4, 0)]
    assert np.array_equal(first["image"], again["image"])
    assert not np.array_equal(first["image"], other_epoch["image"])
    assert not np.array_equal(first["image"], other_seed["image"])


def test_collate__batch_is_channels_first_in_shape_and_last_in_memory() -> None:
    batch = collate([Numbers()[1], Numbers()[2]])
    assert batch["image"].shape == (2, 3, 4, 6)
    assert batch["target"].shape == (2, 4, 6)
    assert batch["image"].is_contiguous(memory_format=torch.channels_last)


def test_endless_batches__workers_change_nothing_and_the_global_generator_is_left_alone() -> None:
    samples = TransformedSamples(Numbers(), ONE_STAGE, seed=3)
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    streams = [list(islice(endless_batches(samples, draws(), workers=w, pin=False), 5)) for w in (0, 1, 2)]
    assert torch.equal(before, torch.random.get_rng_state())
    for other in streams[1:]:
        for a, b in zip(streams[0], other, strict=True):
            assert torch.equal(a["image"], b["image"])
            assert torch.equal(a["target"], b["target"])
