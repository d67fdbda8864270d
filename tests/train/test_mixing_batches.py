"""Samples that are mixed in are drawn by (seed, epoch, index): the same in any worker, on any run."""

from itertools import islice

import numpy as np
import torch

from terrazzo.core.randomness import Stream, generator
from terrazzo.core.sample import Sample
from terrazzo.datasets import build_dataset
from terrazzo.datasets.base import SegmentationDataset
from terrazzo.train.batches import Draw, Draws, Stage, TransformedSamples, Wish, endless_batches
from terrazzo.transforms import build_transform

MIXING = [
    {"kind": "mosaic", "strength": 0.8, "probability": 0.6},
    {"kind": "cutmix", "strength": 0.8, "probability": 0.6},
    {"kind": "copy_paste", "probability": 0.6},
    {"kind": "rain", "probability": 0.3},
]


def data(count: int = 6) -> SegmentationDataset:
    return build_dataset("scenes", split="train", size=(48, 64), count=count)


def samples(
    seed: int = 3, count: int = 6, operations: list[dict[str, object]] | None = None
) -> TransformedSamples:
    transform = build_transform(
        "standard",
        crop=(32, 40),
        ignore_index=255,
        num_classes=9,
        operations=MIXING if operations is None else operations,
    )
    return TransformedSamples(data(count), [Stage(1.0, 3, transform)], seed)


def test_mixed_samples__depend_on_seed_epoch_and_index_only() -> None:
    one, two = samples(), samples()
    others = [two[Draw(0, i, 0)] for i in (5, 1)]  # another order before
    assert len(others) == 2
    np.testing.assert_array_equal(one[Draw(1, 4, 0)]["image"], two[Draw(1, 4, 0)]["image"])
    np.testing.assert_array_equal(one[Draw(1, 4, 0)]["mask"], two[Draw(1, 4, 0)]["mask"])
    made = {one[Draw(epoch, 4, 0)]["image"].tobytes() for epoch in range(5)}
    assert len(made) == 5
    assert one[Draw(1, 4, 0)]["image"].tobytes() != samples(seed=4)[Draw(1, 4, 0)]["image"].tobytes()


def test_mixed_samples__workers_change_nothing() -> None:
    def batches(workers: int) -> list[torch.Tensor]:
        stages = samples().stages
        draws = Draws(
            6, stages, seed=3, position=0, micro_batches=0, accumulate=1, progress=lambda step, seen: 0.0
        )
        stream = endless_batches(samples(), draws, workers=workers, pin=False)
        return [tensor for batch in islice(stream, 4) for tensor in (batch["image"], batch["target"])]

    for alone, together in zip(batches(0), batches(2), strict=True):
        assert torch.equal(alone, together)


class Flat:
    """Images of one tone each."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> Sample:
        image = np.full((32, 40, 3), 40 * index, np.uint8)
        return Sample(image=image, mask=image[..., 0] // 40, id=str(index), group=None)


def test_mixed_samples__every_epoch_mixes_in_another_way() -> None:
    transform = build_transform(
        "plain",
        crop=(32, 40),
        ignore_index=255,
        num_classes=5,
        operations=[{"kind": "cutmix", "strength": 0.7, "probability": 1}],
    )
    made = TransformedSamples(Flat(), [Stage(1.0, 1, transform)], 0)
    shapes = {(made[Draw(epoch, 2, 0)]["mask"] != 2).tobytes() for epoch in range(5)}
    assert len(shapes) == 5


def test_partner__is_another_sample_by_its_own_key() -> None:
    made = samples()
    for index in range(6):
        rng = generator(3, Stream.PARTNER, 2, index, 1)
        chosen = (index + int(rng.integers(1, 6))) % 6
        assert chosen != index
        other = made.samples[chosen]
        expected = made.stages[0].transform(other["image"], other["mask"], rng)
        np.testing.assert_array_equal(made.partner(Draw(2, index, 0), 1)[0], expected[0])


def test_partner__a_lone_sample_is_its_own() -> None:
    assert samples(count=1)[Draw(0, 0, 0)]["image"].shape == (32, 40, 3)


def test_mixing__does_not_change_what_is_drawn_for_the_sample_itself() -> None:
    """Mixing has a stream of its own: without it the same crop comes out in the same light."""
    quiet = [
        {**operation, "probability": 0} if operation["kind"] != "rain" else operation for operation in MIXING
    ]
    plain, mixed = samples(operations=quiet[-1:]), samples(operations=[MIXING[1], MIXING[-1]])
    for index in range(6):
        a, b = plain[Draw(0, index, 0)]["image"], mixed[Draw(0, index, 0)]["image"]
        assert (a == b).all(axis=2).mean() > 0.4


def test_mixed_samples__later_visits_of_an_epoch_are_others_and_begin_as_before() -> None:
    only = samples(operations=[{"kind": "cutmix", "strength": 0.8, "probability": 1.0}])
    visits = [only[Draw(0, 2, 0, visit=visit)] for visit in range(4)]
    assert len({sample["image"].tobytes() for sample in visits}) == 4
    np.testing.assert_array_equal(visits[0]["image"], only[Draw(0, 2, 0)]["image"])
    partners = {only.partner(Draw(0, 2, 0, visit=visit), 0)[0].tobytes() for visit in range(4)}
    assert len(partners) == 4


def test_mixed_samples__the_crop_shows_the_class_before_anything_is_mixed_in() -> None:
    made = samples(operations=[{"kind": "cutmix", "strength": 0.2, "probability": 1.0}])
    made.wish = Wish(tries=30, share=0.001)
    wanted = 7  # people are small and rare
    drawn = [i for i in range(6) if (made.samples[i]["mask"] == wanted).any()]
    assert drawn
    crops = [made._crop(made.samples[i], Draw(0, i, 0, wanted=wanted))[1] for i in drawn]
    assert all((crop == wanted).any() for crop in crops)
