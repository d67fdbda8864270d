"""The endless stream of training batches, as a function of how many samples were drawn before.

The stream is cut out of epoch after epoch, each in its own order. What happens to sample i in epoch e
depends on (seed, e, i) alone, the other samples that are mixed into it included; so workers, their number
and restarts change nothing, and resuming starts at a position.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, Sampler

from terrazzo.core.randomness import Stream, generator, permutation
from terrazzo.core.sample import Batch, Sample
from terrazzo.transforms import Pipeline

Transform = Callable[
    [NDArray[Any], NDArray[Any], np.random.Generator],
    tuple[NDArray[Any], NDArray[Any]],
]


class Samples(Protocol):
    """What this room needs of a dataset."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Sample: ...


@dataclass(frozen=True)
class Draw:
    """One sample to be made: which one, in which epoch, by which stage's transform."""

    epoch: int
    index: int
    stage: int


@dataclass(frozen=True)
class Stage:
    """A part of the run with its own transform and batch size."""

    until: float
    """Progress (0 to 1) at which the next stage begins; 1 for the last."""

    batch_size: int
    """Images per process and micro-batch."""

    transform: Transform
    """Makes one training pair of the stage's crop size."""


def stage_at(stages: Sequence[Stage], progress: float) -> int:
    """Return the position of the stage that `progress` falls into."""
    return next((i for i, stage in enumerate(stages) if progress < stage.until), len(stages) - 1)


class Draws(Sampler[list[Draw]]):
    """Yields the draws of one micro-batch after the other, without end, starting at `position`.

    Under several processes each takes its own slice of every global micro-batch.
    """

    def __init__(
        self,
        length: int,
        stages: Sequence[Stage],
        *,
        seed: int,
        position: int,
        micro_batches: int,
        accumulate: int,
        progress: Callable[[int, int], float],
        rank: int = 0,
        world: int = 1,
    ) -> None:
        """Set the stream up.

        Args:
            length: number of training samples.
            stages: at least one, in order of `until`.
            seed: the run's seed.
            position: samples drawn before, over all processes.
            micro_batches: micro-batches drawn before.
            accumulate: micro-batches per optimiser step; a stage never changes within a step.
            progress: (optimiser step, samples drawn) -> progress of the budget at that point.
            rank: this process, 0 to world - 1.
            world: number of processes.
        """
        self.length, self.stages, self.seed = length, stages, seed
        self.position, self.micro_batches, self.accumulate = position, micro_batches, accumulate
        self.progress, self.rank, self.world = progress, rank, world

    def __iter__(self) -> Iterator[list[Draw]]:
        position, micro_batches, stage = self.position, self.micro_batches, 0
        order = _Order(self.length, self.seed)
        while True:
            if micro_batches % self.accumulate == 0:
                step = micro_batches // self.accumulate
                stage = stage_at(self.stages, self.progress(step, position))
            size = self.stages[stage].batch_size
            first = position + self.rank * size
            yield [order.draw(p, stage) for p in range(first, first + size)]
            position += size * self.world
            micro_batches += 1


class _Order:
    """Maps a position in the stream to a draw; remembers the current epoch's permutation."""

    def __init__(self, length: int, seed: int) -> None:
        self.length, self.seed = length, seed
        self.epoch, self.order = -1, np.empty(0, dtype=np.int64)

    def draw(self, position: int, stage: int) -> Draw:
        epoch, place = divmod(position, self.length)
        if epoch != self.epoch:
            self.epoch, self.order = epoch, permutation(self.length, self.seed, epoch)
        return Draw(epoch, int(self.order[place]), stage)


class TransformedSamples(Dataset[Sample]):
    """A dataset indexed by `Draw`: reads the sample and applies the stage's transform.

    A transform that mixes is asked what it wants, and given partners: samples drawn by (seed, epoch, index,
    number) from all the others, transformed as any sample is, but not mixed themselves.
    """

    def __init__(self, samples: Samples, stages: Sequence[Stage], seed: int) -> None:
        self.samples, self.stages, self.seed = samples, stages, seed

    def __getitem__(self, draw: Draw) -> Sample:
        sample = self.samples[draw.index]
        transform = self.stages[draw.stage].transform
        rng = generator(self.seed, Stream.TRANSFORM, draw.epoch, draw.index)
        image, mask = transform(sample["image"], sample["mask"], rng)
        if isinstance(transform, Pipeline) and transform.mixes:
            steps = transform.plan_mix(generator(self.seed, Stream.MIX, draw.epoch, draw.index))
            image, mask = transform.mix(image, mask, steps, lambda number: self.partner(draw, number))
        return Sample(image=image, mask=mask, id=sample["id"], group=sample["group"])

    def partner(self, draw: Draw, number: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the crop that is mixed into a sample as its number-th partner; a lone sample is its own."""
        rng = generator(self.seed, Stream.PARTNER, draw.epoch, draw.index, number)
        count = len(self.samples)
        index = (draw.index + int(rng.integers(1, count))) % count if count > 1 else draw.index
        other = self.samples[index]
        return self.stages[draw.stage].transform(other["image"], other["mask"], rng)


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack samples of one size; images stay channels-last in memory, which convolutions run fastest on."""
    images_BHWC = torch.from_numpy(np.stack([sample["image"] for sample in samples]))
    target_BHW = torch.from_numpy(np.stack([sample["mask"] for sample in samples]))
    return Batch(image=images_BHWC.permute(0, 3, 1, 2), target=target_BHW)


def endless_batches(samples: TransformedSamples, draws: Draws, *, workers: int, pin: bool) -> Iterator[Batch]:
    """Return the batches that `draws` asks for.

    The loader gets a generator of its own: it draws its base seed from the global one otherwise, and a
    restart would shift every later random number.
    """
    loader = DataLoader(
        samples,
        batch_sampler=draws,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=pin,
        generator=torch.Generator().manual_seed(0),
        prefetch_factor=4 if workers else None,
    )
    return iter(loader)
