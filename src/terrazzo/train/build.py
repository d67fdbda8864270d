"""From a recipe to objects: configs stop here, and everything below gets plain arguments."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs

from terrazzo.core.errors import RequestError
from terrazzo.core.randomness import Stream, generator
from terrazzo.core.sample import Batch
from terrazzo.datasets import SegmentationDataset, build_dataset
from terrazzo.datasets.config import DataConfig
from terrazzo.losses.combined import CombinedLoss
from terrazzo.losses.config import build_loss, refuse_unused_weights
from terrazzo.models import build_model
from terrazzo.models.base import SegmentationModel
from terrazzo.train.average import AveragedModel
from terrazzo.train.batches import Draws, Stage, TransformedSamples, Wish, endless_batches
from terrazzo.train.class_pixels import count_class_pixels
from terrazzo.train.freeze import EncoderFreeze
from terrazzo.train.loop import State, new_counters
from terrazzo.train.optimizer import build_optimizer
from terrazzo.train.plans import Plan
from terrazzo.train.recipe import Recipe, StageConfig
from terrazzo.train.sampler import build_plan
from terrazzo.train.schedule import Budget
from terrazzo.train.sync_norm import share_batch_norms, wants_sync
from terrazzo.transforms import build_transform


@dataclass(frozen=True)
class Parts:
    """What a run works with and never changes."""

    accelerator: Accelerator
    train_data: SegmentationDataset
    validation_data: SegmentationDataset
    stages: tuple[Stage, ...]
    loss: CombinedLoss
    budget: Budget
    plan: Plan | None = None
    """What an epoch visits; a run reads it from its folder (`run.with_plan`)."""

    def progress(self, state: State) -> float:
        """Share of the budget that is used up, 0 to 1."""
        return self.budget.progress(steps=state["step"], samples=state["position"], seconds=state["seconds"])


def build_parts(recipe: Recipe) -> Parts:
    """Build datasets, stages, loss and budget.

    Raises:
        RequestError: the recipe asks for what the data cannot give, for instance another number of classes.
        DataError: the data is not what it should be.
    """
    train_data = build_data(recipe.data, recipe.data.train_split)
    validation_data = build_data(recipe.data, recipe.data.validation_split)
    _check_num_classes(recipe, train_data)
    accelerator = build_accelerator(recipe)
    return Parts(
        accelerator=accelerator,
        train_data=train_data,
        validation_data=validation_data,
        stages=build_stages(recipe, train_data),
        loss=build_run_loss(recipe, train_data),
        budget=build_budget(recipe, len(train_data)),
    )


def build_data(config: DataConfig, split: str) -> SegmentationDataset:
    """Build one split of the recipe's data.

    Raises:
        RequestError: an option is unknown, or given both in `data` and in `data.options`.
        DataError: the data is not what it should be.
    """
    own: dict[str, Any] = {"cache": config.cache, "resize": config.resize}
    given = {name: value for name, value in own.items() if value is not None}
    for name in given.keys() & config.options.keys():
        raise RequestError(f"{name} is given as data.{name} and as data.options.{name}; keep the first.")
    return build_dataset(config.kind, root=config.root, split=split, **config.options, **given)


def build_state(recipe: Recipe, parts: Parts) -> State:
    """Build model, average and optimiser at step 0, from the recipe's seed."""
    torch.manual_seed(int(generator(recipe.train.seed, Stream.MODEL).integers(2**63)))
    model = build_seeded_model(recipe, parts.train_data).to(parts.accelerator.device)
    if recipe.train.channels_last and model.sides == 2:  # torch knows no such layout of volumes
        model = model.to(memory_format=torch.channels_last)
    average = AveragedModel(model, recipe.train.ema)  # keeps plain norms: it never works on several processes
    if wants_sync(
        recipe.train.sync_batch_norm,
        processes=parts.accelerator.num_processes,
        device=parts.accelerator.device.type,
    ):
        share_batch_norms(model)
    model.train()
    optimizer = build_optimizer(model, recipe.optimizer)
    network = torch.compile(model) if recipe.train.compile else model
    network, optimizer = parts.accelerator.prepare(network, optimizer)
    return State(model=model, network=network, average=average, optimizer=optimizer, **new_counters())


def build_before_step(recipe: Recipe, parts: Parts, state: State) -> Callable[[State], None]:
    """Return what tells the model how far the run is, and freezes its encoder as long as it is to be.

    Raises:
        RequestError: the encoder of a network without one is to be frozen.
    """
    model = cast("SegmentationModel", state["model"])
    freeze = EncoderFreeze(
        model, share=recipe.optimizer.freeze_encoder, steps=recipe.optimizer.freeze_encoder_steps
    )

    def tell(state: State) -> None:
        progress = parts.progress(state)
        model.set_progress(progress)
        freeze(step=state["step"], progress=progress)

    return tell


def build_seeded_model(recipe: Recipe, data: SegmentationDataset) -> SegmentationModel:
    """Build the recipe's model for the classes and channels of the data.

    Raises:
        RequestError: the network takes images and the data are volumes, or the other way round.
    """
    model = build_model(
        recipe.model.kind,
        num_classes=data.labels.num_classes,
        in_channels=data.in_channels,
        encoder=recipe.model.encoder,
        pretrained=recipe.model.pretrained,
        **recipe.model.options,
    )
    if model.sides != data.sides:
        things = {2: "images (height, width)", 3: "volumes (depth, height, width)"}
        raise RequestError(
            f"The data of kind {data.kind!r} are {things[data.sides]}, but the model {recipe.model.kind!r} "
            "takes "
            f"{things[model.sides]}. For volumes set model.kind=vnet and model.options.dimensions=3."
        )
    return model


def build_batches(recipe: Recipe, parts: Parts, state: State) -> Iterator[Batch]:
    """Return the endless batches from the state's position on."""
    data, sampler = parts.train_data, recipe.train.sampler
    plan = parts.plan or build_plan(sampler, data, lambda: count_class_pixels(data))
    draws = Draws(
        len(data),
        parts.stages,
        seed=recipe.train.seed,
        position=state["position"],
        micro_batches=state["micro_batches"],
        accumulate=recipe.train.accumulate,
        # Seconds are read as the run goes on: in a run counted in time, stages begin by the clock.
        progress=lambda step, samples: parts.budget.progress(
            steps=step, samples=samples, seconds=state["seconds"]
        ),
        rank=parts.accelerator.process_index,
        world=parts.accelerator.num_processes,
        plan=plan,
    )
    wish = Wish(sampler.tries, sampler.crop_share)
    samples = TransformedSamples(data, parts.stages, recipe.train.seed, wish)
    on_gpu = parts.accelerator.device.type == "cuda"
    return endless_batches(samples, draws, workers=recipe.train.workers, pin=on_gpu)


def build_accelerator(recipe: Recipe) -> Accelerator:
    """Build the accelerator; a second run in one process may have another precision or device."""
    if recipe.train.device == "cuda" and not torch.cuda.is_available():
        raise RequestError("train.device is cuda, but no CUDA device is here. Use train.device=auto or cpu.")
    if not torch.distributed.is_initialized():
        AcceleratorState._reset_state(reset_partial_state=True)
    on_cpu = recipe.train.device == "cpu" or not torch.cuda.is_available()
    automatic = "bf16" if has_bf16(on_cpu=on_cpu) else "no"
    precision = {"fp32": "no", "auto": automatic}.get(recipe.train.precision, recipe.train.precision)
    freezes = recipe.optimizer.freeze_encoder > 0 or recipe.optimizer.freeze_encoder_steps > 0
    # Without it, several processes wait for gradients that a frozen encoder never has.
    wrapping = DistributedDataParallelKwargs(find_unused_parameters=freezes)
    return Accelerator(
        mixed_precision=precision, cpu=recipe.train.device == "cpu", kwargs_handlers=[wrapping]
    )


def has_bf16(*, on_cpu: bool) -> bool:
    """Say whether the device computes in bfloat16; elsewhere it is emulated, and slower than float32."""
    if not on_cpu:
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    abilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return any(abilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def build_stages(recipe: Recipe, data: SegmentationDataset) -> tuple[Stage, ...]:
    """Build the run's stages; a recipe without any has one that lasts to the end."""
    return tuple(_stage(recipe, data, config) for config in recipe.train.stages or (StageConfig(until=1.0),))


def build_run_loss(
    recipe: Recipe, data: SegmentationDataset, class_weights: Sequence[float] | None = None
) -> CombinedLoss:
    """Build the recipe's loss; class weights are those of the run folder, once they are there."""
    refuse_unused_weights(recipe.loss)
    return build_loss(
        recipe.loss.parts,
        ignore_index=data.labels.ignore_index,
        class_weights=class_weights,
        auxiliary_weights=recipe.loss.auxiliary_weights,
    )


def build_budget(recipe: Recipe, train_samples: int) -> Budget:
    """Turn the recipe's budget into steps, samples or seconds."""
    train = recipe.train
    if train.steps is not None:
        return Budget(steps=train.steps)
    if train.epochs is not None:
        return Budget(samples=max(1, round(train.epochs * train_samples)))
    assert train.minutes is not None
    return Budget(seconds=60.0 * train.minutes)


def _stage(recipe: Recipe, data: SegmentationDataset, config: StageConfig) -> Stage:
    crop = config.crop or recipe.transforms.crop
    if len(crop) != data.sides:
        wanted = "(height, width)" if data.sides == 2 else "(depth, height, width)"
        raise RequestError(
            f"crop is {list(crop)}, but the data of kind {data.kind!r} have {data.sides} sides; expected "
            f"{wanted}. "
            "Set transforms.crop, and that of every stage that has its own."
        )
    transform = build_transform(
        recipe.transforms.preset,
        crop=crop,
        ignore_index=data.labels.ignore_index,
        num_classes=data.labels.num_classes,
        operations=[operation.model_dump(exclude_none=True) for operation in recipe.transforms.operations],
        class_names=data.labels.names,
        **{**recipe.transforms.options, **config.options},
    )
    return Stage(config.until, config.batch_size or recipe.train.batch_size, transform)


def _check_num_classes(recipe: Recipe, data: SegmentationDataset) -> None:
    given, found = recipe.model.num_classes, data.labels.num_classes
    if given is not None and given != found:
        raise RequestError(
            f"model.num_classes is {given}, but the labels of {recipe.data.kind} have {found} classes "
            f"({', '.join(data.labels.names)}; void is not one of them). "
            "Leave model.num_classes out, or give the data's number."
        )
