"""The endless stream of training batches, as a function of how many samples were drawn before.

The stream is cut out of epoch after epoch, each in its own order (see `plans`). What happens to sample i in
epoch e depends on (seed, e, i) alone, the other samples that are mixed into it included, and where a plan
visits it again, on how many visits there were before; so workers, their number and restarts change nothing,
and resuming starts at a position.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from terrazzo.core.memory import keep_freed_memory
from terrazzo.core.randomness import Stream, generator
from terrazzo.core.sample import Batch, Sample
from terrazzo.train.plans import Plan, Uniform, Visits
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

    visit: int = 0
    """How often the epoch has drawn this sample before."""

    wanted: int | None = None
    """The class that it was drawn for."""


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
        plan: Plan | None = None,
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
            plan: what an epoch visits; by default each sample once.
        """
        self.plan, self.stages, self.seed = plan or Uniform(length), stages, seed
        self.position, self.micro_batches, self.accumulate = position, micro_batches, accumulate
        self.progress, self.rank, self.world = progress, rank, world

    def __iter__(self) -> Iterator[list[Draw]]:
        position, micro_batches, stage = self.position, self.micro_batches, 0
        order = _Order(self.plan, self.seed)
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
    """Maps a position in the stream to a draw; remembers the current epoch's visits."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self.plan, self.seed, self.epoch = plan, seed, -1
        self.visits = Visits(np.empty(0, dtype=np.int64))
        self.counts = self.visits.samples

    def draw(self, position: int, stage: int) -> Draw:
        epoch, place = divmod(position, self.plan.length)
        if epoch != self.epoch:
            self.epoch, self.visits = epoch, self.plan.visits(self.seed, epoch)
            self.counts = _visits_before(self.visits.samples)
        samples, wanted = self.visits.samples, self.visits.wanted
        return Draw(
            epoch,
            int(samples[place]),
            stage,
            visit=int(self.counts[place]),
            wanted=None if wanted is None else int(wanted[place]),
        )


def _visits_before(samples: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each of (L,) samples how often it stands before: 4 7 4 4 gives 0 0 1 2."""
    order = np.argsort(samples, kind="stable")
    starts = np.searchsorted(samples[order], samples[order])
    before = np.empty_like(samples)
    before[order] = np.arange(len(samples)) - starts
    return before


@dataclass(frozen=True)
class Wish:
    """How hard to look for a crop that shows the class a sample was drawn for."""

    tries: int = 1
    """Crops drawn at most."""

    share: float = 0.0
    """Of the crop's pixels, which the class should have; one pixel at least."""


class TransformedSamples(Dataset[Sample]):
    """A dataset indexed by `Draw`: reads the sample and applies the stage's transform.

    A transform that mixes is asked what it wants, and given partners: samples drawn by (seed, epoch, index,
    number) from all the others, transformed as any sample is, but not mixed themselves.
    """

    def __init__(
        self, samples: Samples, stages: Sequence[Stage], seed: int, wish: Wish | None = None
    ) -> None:
        self.samples, self.stages, self.seed, self.wish = samples, stages, seed, wish or Wish()

    def __getitem__(self, draw: Draw) -> Sample:
        sample = self.samples[draw.index]
        transform = self.stages[draw.stage].transform
        image, mask = self._crop(sample, draw)
        if isinstance(transform, Pipeline) and transform.mixes:
            steps = transform.plan_mix(
                generator(self.seed, Stream.MIX, draw.epoch, draw.index, *_again(draw))
            )
            image, mask = transform.mix(image, mask, steps, lambda number: self.partner(draw, number))
        return Sample(image=image, mask=mask, id=sample["id"], group=sample["group"])

    def partner(self, draw: Draw, number: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the crop that is mixed into a sample as its number-th partner; a lone sample is its own."""
        rng = generator(self.seed, Stream.PARTNER, draw.epoch, draw.index, number, *_again(draw))
        count = len(self.samples)
        index = (draw.index + int(rng.integers(1, count))) % count if count > 1 else draw.index
        other = self.samples[index]
        return self.stages[draw.stage].transform(other["image"], other["mask"], rng)

    def _crop(self, sample: Sample, draw: Draw) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return a crop that nothing is mixed into yet; of several tries the first that shows the class."""
        transform = self.stages[draw.stage].transform
        for attempt in range(1 if draw.wanted is None else self.wish.tries):
            again = (draw.visit, attempt) if draw.visit or attempt else ()
            rng = generator(self.seed, Stream.TRANSFORM, draw.epoch, draw.index, *again)
            image, mask = transform(sample["image"], sample["mask"], rng)
            if draw.wanted is None or self._shows(mask, draw.wanted):
                break
        return image, mask

    def _shows(self, mask: NDArray[Any], wanted: int) -> bool:
        return int(np.count_nonzero(mask == wanted)) >= max(1.0, self.wish.share * mask.size)


def _again(draw: Draw) -> tuple[int, ...]:
    """Return what the keys of an epoch's later visits have more than those of the first."""
    return (draw.visit,) if draw.visit else ()


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack samples of one size; images stay channels-last in memory, which convolutions run fastest on.

    torch's own collation stacks in the memory that the main process reads, where this is a worker.
    """
    images_BHWC: Tensor = default_collate([torch.from_numpy(sample["image"]) for sample in samples])
    target_BHW: Tensor = default_collate([torch.from_numpy(sample["mask"]) for sample in samples])
    return Batch(image=images_BHWC.movedim(-1, 1), target=target_BHW)


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
        worker_init_fn=_begin_worker,
    )
    return iter(loader)


def _begin_worker(worker: int) -> None:
    keep_freed_memory()
