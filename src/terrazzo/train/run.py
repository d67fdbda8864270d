"""A run from recipe to report: build, resume if asked, fit, and keep what was best.

This file only says what happens when. How to build lies in build.py, how to train in loop.py, how to save
in resume.py and `checkpoint`, how to score in `evaluate`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from terrazzo.checkpoint import load_model, save_model
from terrazzo.evaluate import Evaluation, evaluate, write_report
from terrazzo.predict import TorchBackend, WholeImage, to_ids
from terrazzo.train.build import (
    Parts,
    build_batches,
    build_before_step,
    build_parts,
    build_run_loss,
    build_state,
)
from terrazzo.train.class_pixels import read_class_pixels, store_class_pixels
from terrazzo.train.class_weights import read_class_weights, store_class_weights
from terrazzo.train.folder import RunFolder, open_run_folder
from terrazzo.train.interrupt import StopRequest
from terrazzo.train.journal import Journal, read_log
from terrazzo.train.loop import Hooks, State, StepFacts, check_finite, fit
from terrazzo.train.pictures import validation_pictures
from terrazzo.train.recipe import Recipe
from terrazzo.train.reporter import Reporter, Speed
from terrazzo.train.resume import restore_run_state, save_run_state
from terrazzo.train.sampler import build_plan
from terrazzo.train.schedule import lr_factor

if TYPE_CHECKING:
    from terrazzo.models.base import SegmentationModel


@dataclass(frozen=True)
class Result:
    """What a run leaves behind."""

    folder: RunFolder
    evaluation: Evaluation
    """Of `best`, on the validation split."""

    finished: bool
    """False where somebody stopped the run before its budget was used up."""

    steps: int
    seconds: float


def train(
    recipe: Recipe, out: str | Path, *, resume: bool = False, reporter: Reporter | None = None
) -> Result:
    """Train by a recipe; restore and report the best model at the end.

    Args:
        recipe: the run.
        out: its folder; see `RunFolder`.
        resume: go on from the newest good state in `out`, to the same bits as a run that was never stopped
            (for budgets in steps or epochs, on the same machine and thread count).
        reporter: what speaks to the person; silent by default.

    Raises:
        TerrazzoError: bad data, a bad request, a full disk, a loss that is no number.
    """
    parts = build_parts(recipe)
    state = build_state(recipe, parts)
    before_step = build_before_step(recipe, parts, state)
    main = parts.accelerator.is_main_process
    folder = open_run_folder(out, recipe, resume=resume) if main else RunFolder(Path(out))
    if main:
        store_class_weights(folder.class_weights, recipe.loss.class_weights, parts.train_data)
        if recipe.train.sampler.counts_classes:
            store_class_pixels(folder.class_pixels, parts.train_data)
    parts.accelerator.wait_for_everyone()
    parts = with_plan(recipe, with_class_weights(recipe, parts, folder), folder)
    speaker = (reporter or Reporter()) if main else Reporter()
    if main and (note := parts.train_data.cache_note):
        speaker.note(note)
    if resume:
        for note in restore_run_state(folder, state, parts.accelerator):
            speaker.note(note)
    with StopRequest() as interrupt:
        run = Run(recipe, parts, folder, speaker, interrupt)
        speaker.start(run.progress(state))
        try:
            run.fit(state, before_step)
        finally:
            run.close()
            speaker.stop()
    return finish(recipe, parts, folder, state, finished=run.progress(state) >= 1.0 or run.is_stale(state))


def with_class_weights(recipe: Recipe, parts: Parts, folder: RunFolder) -> Parts:
    """Give the loss the class weights that lie in the run folder, where the recipe asks for them."""
    data, rule = parts.train_data, recipe.loss.class_weights
    weights = read_class_weights(folder.class_weights, rule, data.labels.num_classes)
    return parts if weights is None else replace(parts, loss=build_run_loss(recipe, data, weights))


def with_plan(recipe: Recipe, parts: Parts, folder: RunFolder) -> Parts:
    """Give the run the plan of its sampler, by the counts that lie in the run folder where it needs some."""
    data = parts.train_data
    plan = build_plan(recipe.train.sampler, data, lambda: read_class_pixels(folder.class_pixels, data))
    return replace(parts, plan=plan)


def finish(recipe: Recipe, parts: Parts, folder: RunFolder, state: State, *, finished: bool) -> Result:
    """Load `best` back from disk, score it once more by the same path, and write the report on it."""
    model, card = load_model(folder.best, device=str(parts.accelerator.device))
    evaluation = evaluate(model, parts.validation_data)
    if parts.accelerator.is_main_process:
        whole = WholeImage(TorchBackend(model))
        write_report(
            folder.report,
            evaluation,
            dataset=parts.validation_data,
            predict=lambda image: to_ids(whole(image)),
            title=f"{recipe.model.kind} on {recipe.data.kind}",
            history=read_log(folder.log),
            model_facts=card.facts(),
        )
    return Result(folder, evaluation, finished, state["step"], state["seconds"])


class Run:
    """Decides, after every step, what is due: a log row, a validation, a saved state, the end."""

    def __init__(
        self, recipe: Recipe, parts: Parts, folder: RunFolder, reporter: Reporter, interrupt: StopRequest
    ) -> None:
        self.recipe, self.parts, self.folder = recipe, parts, folder
        self.reporter, self.interrupt = reporter, interrupt
        self.main = parts.accelerator.is_main_process
        self.journal: Journal | None = None
        self.speed = Speed()

    def fit(self, state: State, before_step: Callable[[State], None]) -> None:
        """Train, then make sure that the last weights were validated and saved.

        Args:
            state: what changes during the run.
            before_step: what the model is told before each step; the loss is told how far the run is.
        """

        def tell(state: State) -> None:
            before_step(state)
            self.parts.loss.set_progress(self.progress(state))

        self.journal = Journal(self.folder.root, from_step=state["step"]) if self.main else None
        hooks = Hooks(
            lr_factor=lambda s: lr_factor(self.progress(s), self.recipe.schedule, history=s["history"]),
            done=self.done,
            after_step=self.after_step,
            before_step=tell,
        )
        train = self.recipe.train
        fit(
            self.parts.accelerator,
            state,
            build_batches(self.recipe, self.parts, state),
            self.parts.loss,
            hooks,
            accumulate=train.accumulate,
            clip=train.clip,
            ignore_index=self.parts.train_data.labels.ignore_index,
            seed=train.seed,
        )
        if self.progress(state) < 1.0 and not self.is_stale(state):  # somebody asked to stop
            self.reporter.note("Stopping as asked: validating and saving what there is.")
            self.validate(state)
            self.save(state)

    def progress(self, state: State) -> float:
        """Share of the budget that is used up."""
        return self.parts.progress(state)

    def done(self, state: State) -> bool:
        """Whether to stop before the next step."""
        return self.progress(state) >= 1.0 or self.interrupt.stop or self.is_stale(state)

    def is_stale(self, state: State) -> bool:
        """Whether validation has not got better for `train.patience` times."""
        patience = self.recipe.train.patience
        return patience is not None and state["stale"] >= patience

    def after_step(self, state: State, facts: StepFacts) -> None:
        """Log, validate and save what is due."""
        train, progress = self.recipe.train, self.progress(state)
        images_per_s = self.speed.add(facts.images)
        self.reporter.step(state, facts, progress)
        if state["step"] % train.log_every == 0 or progress >= 1.0:
            self.log(state, facts, images_per_s)
        if int(progress * train.validations + 1e-9) > state["validated"]:
            state["validated"] = int(progress * train.validations + 1e-9)
            # One that is not of the plan is left out: only a run that was stopped has it.
            state["history"] = [*state["history"], self.validate(state)]
            self.save(state)
        elif train.save_every is not None and state["step"] % train.save_every == 0:
            self.save(state)

    def log(self, state: State, facts: StepFacts, images_per_s: float) -> None:
        """Write one row; a loss that is no number ends the run."""
        loss = float(facts.loss)
        check_finite(loss, state["step"], facts.lr)
        if self.journal is None:
            return
        parts = {f"loss/{name}": float(value) for name, value in facts.parts.items()}
        rest = {"lr": facts.lr, "grad_norm": float(facts.grad_norm), "images_per_s": images_per_s}
        where = {"samples": float(state["position"]), "seconds": state["seconds"]}
        self.journal.log(state["step"], {"loss": loss, **parts, **rest, **where})

    def validate(self, state: State) -> float:
        """Score the averaged model on the validation split; keep it if it is the best. Returns its mIoU."""
        model = cast("SegmentationModel", state["average"].model)
        evaluation = evaluate(model, self.parts.validation_data)
        better = not evaluation.scores.miou <= state["best"]  # the first is best even where it is undefined
        state["stale"] = 0 if better else state["stale"] + 1
        if better:
            state["best"], state["best_step"] = evaluation.scores.miou, state["step"]
        if self.main:
            self.keep(state, evaluation, better=better)
        return evaluation.scores.miou

    def keep(self, state: State, evaluation: Evaluation, *, better: bool) -> None:
        """Save the validated model, and write down how good it is."""
        model = cast("SegmentationModel", state["average"].model)
        self.save_model(self.folder.last, state, evaluation)
        if better:
            self.save_model(self.folder.best, state, evaluation)
        if self.journal is not None:
            self.journal.log(state["step"], validation_row(evaluation))
            for name, picture in validation_pictures(model, self.parts.validation_data):
                self.journal.picture(name, picture, state["step"])
        self.reporter.validated(state, evaluation, better=better)

    def save_model(self, path: Path, state: State, evaluation: Evaluation) -> None:
        """Write a model folder with its score and how it came to be."""
        save_model(
            path,
            state["average"].model,
            labels=self.parts.train_data.labels,
            scores=evaluation.to_json(),
            training={
                "recipe": self.recipe.model_dump(mode="json"),
                "steps": state["step"],
                "samples": state["position"],
                "data": self.parts.train_data.fingerprint,
            },
        )

    def save(self, state: State) -> None:
        """Write the training state."""
        if self.main:
            save_run_state(self.folder, state, self.parts.accelerator)
        self.parts.accelerator.wait_for_everyone()

    def close(self) -> None:
        """Flush the journal."""
        if self.journal is not None:
            self.journal.close()


def validation_row(evaluation: Evaluation) -> dict[str, float]:
    """Return what log.csv keeps of a validation: the means, and the IoU of every class that is present."""
    scores = evaluation.scores
    row = {
        "val/miou": scores.miou,
        "val/pixel_accuracy": scores.pixel_accuracy,
        "val/macro_f1": scores.macro_f1,
    }
    classes = {f"val/iou/{entry.name}": entry.iou for entry in scores.per_class}
    return {name: value for name, value in {**row, **classes}.items() if not math.isnan(value)}
