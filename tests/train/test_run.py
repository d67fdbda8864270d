"""Whole runs on tiny scenes: what they leave behind, stopping and resuming, and requests that cannot be."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from terrazzo.checkpoint import load_model
from terrazzo.core.config import read_yaml, write_yaml
from terrazzo.core.errors import CheckpointError, RequestError
from terrazzo.losses.combined import CombinedLoss
from terrazzo.train import Recipe, Reporter, Result, build_recipe, train
from terrazzo.train.build import build_parts
from terrazzo.train.journal import read_log
from terrazzo.train.loop import State, StepFacts

TINY: dict[str, Any] = {
    "data": {"kind": "scenes", "options": {"size": [64, 96], "count": 6}},
    "transforms": {"preset": "standard", "crop": [48, 64]},
    "model": {
        "kind": "fpn",
        "encoder": "resnet10t",
        "options": {
            "encoder_options": {"channels": [8, 8, 16, 16]},
            "pyramid_channels": 8,
            "segmentation_channels": 32,
        },
    },
    "train": {"steps": 8, "batch_size": 4, "workers": 0, "validations": 2, "save_every": 1, "log_every": 2},
}


def tiny(*overrides: str) -> Recipe:
    return build_recipe(TINY, list(overrides))


class Killed(BaseException):
    """Stands for a kill in the middle of a run."""


class KillAt(Reporter):
    def __init__(self, step: int) -> None:
        self.at = step

    def step(self, state: State, facts: StepFacts, progress: float) -> None:
        if state["step"] == self.at:
            raise Killed


class Notes(Reporter):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


class InterruptAt(Reporter):
    def __init__(self, step: int) -> None:
        self.at = step

    def step(self, state: State, facts: StepFacts, progress: float) -> None:
        if state["step"] == self.at:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return train(tiny(), tmp_path_factory.mktemp("runs") / "whole")


def weights(folder: Path) -> tuple[bytes, bytes]:
    return (
        (folder / "best" / "model.safetensors").read_bytes(),
        (folder / "last" / "model.safetensors").read_bytes(),
    )


def test_train__leaves_models_log_recipe_and_report(finished: Result) -> None:
    folder = finished.folder
    assert finished.finished
    assert finished.steps == 8
    _, card = load_model(folder.best)
    assert card.scores is not None
    assert card.scores["miou"] == finished.evaluation.to_json()["miou"]
    rows = read_log(folder.log)
    assert [row["step"] for row in rows] == [2, 4, 6, 8]
    assert {"loss", "loss/cross_entropy", "lr", "images_per_s"} <= rows[0].keys()
    assert [row["step"] for row in rows if "val/miou" in row] == [4, 8]
    assert Recipe.model_validate(read_yaml(folder.recipe)) == tiny()
    assert "<html" in folder.report.read_text()
    assert len(list(folder.state.glob("step-*"))) == 2
    assert list((folder.root / "tensorboard").iterdir())


@pytest.mark.parametrize("workers", [0, 2])
def test_train__killed_in_mid_epoch_and_resumed_gives_the_same_bytes(
    finished: Result, tmp_path: Path, workers: int
) -> None:
    with pytest.raises(Killed):
        train(tiny(f"train.workers={workers}"), tmp_path, reporter=KillAt(6))
    resumed = train(tiny(f"train.workers={workers}"), tmp_path, resume=True)
    assert weights(tmp_path) == weights(finished.folder.root)
    assert resumed.evaluation.to_json() == finished.evaluation.to_json()
    times = {"seconds", "images_per_s"}
    rows = [[{k: v for k, v in r.items() if k not in times} for r in read_log(f / "log.csv")]
            for f in (tmp_path, finished.folder.root)]  # fmt: skip
    assert rows[0] == rows[1]


def test_train__a_damaged_newest_state_is_named_and_the_one_before_is_taken(
    finished: Result, tmp_path: Path
) -> None:
    with pytest.raises(Killed):
        train(tiny(), tmp_path, reporter=KillAt(6))
    newest = max((tmp_path / "state").glob("step-*")) / "state.pt"
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    notes = Notes()
    train(tiny(), tmp_path, resume=True, reporter=notes)
    assert any("step-00000005" in note for note in notes.notes)
    assert "Resuming at step 4." in notes.notes
    assert weights(tmp_path) == weights(finished.folder.root)


def test_train__interrupt_leaves_a_valid_model_and_resumes(finished: Result, tmp_path: Path) -> None:
    stopped = train(tiny(), tmp_path, reporter=InterruptAt(3))
    assert not stopped.finished
    assert stopped.steps == 3
    load_model(tmp_path / "best")
    done = train(tiny(), tmp_path, resume=True)
    assert done.finished
    assert weights(tmp_path)[1] == weights(finished.folder.root)[1]


def test_train__resume_without_a_state_starts_from_the_beginning_and_says_so(
    finished: Result, tmp_path: Path
) -> None:
    notes = Notes()
    train(tiny(), tmp_path / "new", resume=True, reporter=notes)
    assert any("holds no saved state yet: starting from the beginning" in note for note in notes.notes)
    assert weights(tmp_path / "new") == weights(finished.folder.root)


def test_train__resuming_a_finished_run_changes_nothing(finished: Result) -> None:
    before = weights(finished.folder.root)
    again = train(tiny(), finished.folder.root, resume=True)
    assert again.steps == 8
    assert weights(finished.folder.root) == before


def test_train__another_seed_gives_another_model(finished: Result, tmp_path: Path) -> None:
    train(tiny("train.seed=1"), tmp_path)
    assert weights(tmp_path) != weights(finished.folder.root)


def test_train__a_folder_that_holds_a_run_is_refused(finished: Result) -> None:
    with pytest.raises(RequestError, match=r"already holds a run\. Add --resume"):
        train(tiny(), finished.folder.root)


def test_train__resuming_with_another_recipe_names_what_changed(finished: Result) -> None:
    with pytest.raises(RequestError, match=r"train\.batch_size: 4 before, 2 now"):
        train(tiny("train.batch_size=2"), finished.folder.root, resume=True)


def test_train__an_unwritable_out_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError, match=r"file.* cannot be written"):
        train(tiny(), tmp_path / "file" / "run")


def test_train__num_classes_that_disagree_with_the_labels(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"model\.num_classes is 3, but the labels of scenes have"):
        train(tiny("model.num_classes=3"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_train__patience_stops_a_run_that_gets_no_better(
    finished: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("terrazzo.train.run.evaluate", lambda *_: finished.evaluation)
    result = train(tiny("train.validations=8", "train.patience=2"), tmp_path)
    assert result.finished
    assert result.steps == 3


EOMT = ("model={kind: eomt, options: {num_queries: 9, query_blocks: 2, encoder_options: {img_size: 64, "
        "embed_dim: 32, depth: 3, num_heads: 2, init_values: 1.0}}}")  # fmt: skip


def test_train__masks_fade_with_the_run_and_a_resumed_one_is_the_same(tmp_path: Path) -> None:
    recipe = tiny(EOMT, "train.steps=4", "train.ema=0")
    train(recipe, tmp_path / "whole")
    with pytest.raises(Killed):
        train(recipe, tmp_path / "killed", reporter=KillAt(2))
    train(recipe, tmp_path / "killed", resume=True)
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")
    model, _ = load_model(tmp_path / "whole" / "last")
    # Set before the last of four steps, with three quarters done: the second block is halfway.
    assert model.get_buffer("attn_mask_probs").tolist() == pytest.approx([0.0, 0.5**0.9])
    assert {"loss/masks1", "loss/masks3"} <= read_log(tmp_path / "whole" / "log.csv")[0].keys()


@pytest.mark.parametrize(
    "overrides",
    [
        ("schedule={kind: plateau, warmup: 0, patience: 1, min_gain: 1}", "train.validations=8"),
        ("optimizer.freeze_encoder=0.6",),
        ("optimizer.freeze_encoder_steps=3", "optimizer.kind=muon", "optimizer.last_layer_lr_factor=10"),
        ("optimizer.kind=lion", "optimizer.layer_decay=0.8", "schedule.kind=one_cycle"),
        ("train.sampler={kind: rare-class, min_share: 0.001, tries: 3}",),
    ],
    ids=" ".join,
)
def test_train__killed_and_resumed_gives_the_same_bytes_with(
    tmp_path: Path, overrides: tuple[str, ...]
) -> None:
    train(tiny(*overrides), tmp_path / "whole")
    for step in (2, 6):
        with pytest.raises(Killed):
            train(tiny(*overrides), tmp_path / "killed", resume=step > 2, reporter=KillAt(step))
    train(tiny(*overrides), tmp_path / "killed", resume=True)
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")


def test_train__plateau_cuts_the_rate_after_validations_without_a_gain(tmp_path: Path) -> None:
    schedule = "schedule={kind: plateau, warmup: 0, patience: 1, min_gain: 1, gamma: 0.5}"
    train(tiny(schedule, "train.validations=4", "train.log_every=1"), tmp_path)
    rates = [row["lr"] for row in read_log(tmp_path / "log.csv")]
    # Validated after steps 2, 4, 6, 8; the first is a gain over nothing, and no other gains by 1.
    assert rates == pytest.approx([1e-3] * 4 + [5e-4] * 2 + [2.5e-4] * 2)


def test_train__an_interrupt_does_not_count_as_a_validation_for_plateau(tmp_path: Path) -> None:
    plateau = ("schedule={kind: plateau, warmup: 0, patience: 1, min_gain: 1}", "train.validations=4")
    train(tiny(*plateau), tmp_path / "whole")
    train(tiny(*plateau), tmp_path / "stopped", reporter=InterruptAt(5))
    train(tiny(*plateau), tmp_path / "stopped", resume=True)
    assert weights(tmp_path / "stopped")[1] == weights(tmp_path / "whole")[1]


def test_train__a_frozen_encoder_is_saved_as_it_was(tmp_path: Path) -> None:
    frozen = ("optimizer.freeze_encoder=1.0", "train.ema=0")
    train(tiny(*frozen, "train.steps=2"), tmp_path / "short")
    train(tiny(*frozen, "train.steps=4"), tmp_path / "long")
    short, long = (load_model(tmp_path / name / "last")[0].state_dict() for name in ("short", "long"))
    same = {name for name, value in short.items() if torch.equal(value, long[name])}
    assert same >= {name for name in short if name.startswith("encoder.")}
    assert "classify.weight" not in same


def test_train__a_frozen_encoder_that_is_not_there_is_refused_before_anything_is_made(
    tmp_path: Path,
) -> None:
    unet = "model={kind: enet}"
    with pytest.raises(RequestError, match="'enet' has no encoder of its own"):
        train(tiny(unet, "optimizer.freeze_encoder=0.5"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_train__half_size_first_then_full_size(tmp_path: Path) -> None:
    """Whole scenes at half their size, then at their own."""
    seen: list[tuple[int, ...]] = []

    class Crops(Reporter):
        def step(self, state: State, facts: StepFacts, progress: float) -> None:
            seen.append(tuple(facts.batch["target"].shape))

    half = "{until: 0.5, crop: [40, 56], batch_size: 8, options: {scale: [0.5, 0.5]}}"
    whole = "{until: 1.0, crop: [80, 112], options: {scale: [1.0, 1.0]}}"
    data = "data.options={size: [80, 112], count: 8}"
    train(tiny(f"train.stages=[{half}, {whole}]", data, "train.steps=4"), tmp_path, reporter=Crops())
    assert seen == [(8, 40, 56)] * 2 + [(4, 80, 112)] * 2
    stages = build_parts(tiny(f"train.stages=[{half}, {whole}]", data)).stages
    assert [stage.transform.strength.scale for stage in stages] == [(0.5, 0.5), (1.0, 1.0)]  # type: ignore[attr-defined]


HARD = (
    "loss={class_weights: median, parts: [{kind: ohem, options: {keep: 0.2, until: 0.75}}, "
    "{kind: dice, weight: 0.5}]}"
)


def test_train__mining_grows_with_the_run_and_a_resumed_one_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[float] = []
    tell = CombinedLoss.set_progress

    def overheard(loss: CombinedLoss, share: float) -> None:
        told.append(share)
        tell(loss, share)

    monkeypatch.setattr(CombinedLoss, "set_progress", overheard)
    recipe = tiny(HARD, "train.steps=4")
    train(recipe, tmp_path / "whole")
    assert told == [0.0, 0.25, 0.5, 0.75]
    with pytest.raises(Killed):
        train(recipe, tmp_path / "killed", reporter=KillAt(2))
    stored = tmp_path / "killed" / "class_weights.json"
    before = stored.read_bytes(), stored.stat().st_mtime_ns
    train(recipe, tmp_path / "killed", resume=True)
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")
    assert (stored.read_bytes(), stored.stat().st_mtime_ns) == before


def test_train__class_weights_from_the_training_set_reach_the_loss(finished: Result, tmp_path: Path) -> None:
    train(tiny("loss.class_weights=inverse"), tmp_path)
    assert weights(tmp_path) != weights(finished.folder.root)
    assert not (finished.folder.root / "class_weights.json").exists()
    rows = [read_log(folder / "log.csv")[0]["loss"] for folder in (tmp_path, finished.folder.root)]
    assert rows[0] != rows[1]


def test_train__class_weights_that_no_part_takes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"loss\.class_weights is enet, but no part of the loss takes it"):
        train(tiny("loss={class_weights: enet, parts: [{kind: dice}]}"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_train__stages_change_crop_and_batch(tmp_path: Path) -> None:
    seen: list[tuple[int, ...]] = []

    class Shapes(Reporter):
        def step(self, state: State, facts: StepFacts, progress: float) -> None:
            seen.append(tuple(facts.batch["image"].shape))

    stages = "train.stages=[{until: 0.5, crop: [40, 40], batch_size: 2}, {until: 1.0}]"
    train(tiny(stages, "train.steps=4"), tmp_path, reporter=Shapes())
    assert seen == [(2, 3, 40, 40)] * 2 + [(4, 3, 48, 64)] * 2


@pytest.mark.parametrize(
    "overrides",
    [
        ("train.precision=bf16",),
        ("train.precision=auto",),
        ("train.accumulate=2", "train.batch_size=2"),
        ("optimizer.kind=sgd", "schedule.kind=cosine"),
        ("optimizer.kind=adam", "schedule.kind=step"),
        ("optimizer.kind=rmsprop", "schedule.kind=exponential"),
        ("optimizer.decoder_lr_factor=2", "schedule.warmup_kind=slow"),
        ("train.sync_batch_norm=true",),
        ("train.channels_last=false", "train.clip=0"),
    ],
    ids=" ".join,
)
def test_train__switches_train_too(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    result = train(tiny(*overrides, "train.steps=2"), tmp_path)
    assert result.steps == 2
    assert read_log(tmp_path / "log.csv")[-1]["loss"] > 0


def test_train__two_processes_share_one_run(tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(write_yaml(TINY))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    # Frozen for the first step alone: the processes agree on which gradients there are, before and after.
    overrides = ["train.steps=2", "train.device=cpu", "optimizer.freeze_encoder=0.5"]
    arguments = ["-m", "terrazzo", "train", str(recipe), *overrides]
    done = subprocess.run(
        [*command, *arguments, "--out", str(tmp_path / "run")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert read_log(tmp_path / "run" / "log.csv")[-1]["samples"] == 16
    load_model(tmp_path / "run" / "best")
