"""What a person sees: plain lines in a file, a bar in a terminal."""

import io
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from rich.console import Console

from terrazzo.core.sample import Batch
from terrazzo.evaluate import Evaluation
from terrazzo.train.loop import State, StepFacts
from terrazzo.train.reporter import ConsoleReporter, Speed, describe

IMAGE = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)


def facts() -> StepFacts:
    parts = {"cross_entropy": torch.tensor(1.25), "dice": torch.tensor(0.5)}
    batch = Batch(image=IMAGE, target=IMAGE[:, 0])
    return StepFacts(torch.tensor(1.75), parts, torch.tensor(3.0), 1e-3, 2, batch)


def state(step: int, best: float = -1.0) -> State:
    return cast("State", {"step": step, "best": best})


def test_describe__names_loss_parts_speed_and_best() -> None:
    assert describe(facts(), 12.34, state(1)) == "loss 1.750 (cross_entropy 1.250 dice 0.500)  12.3 images/s"
    assert describe(facts(), 12.34, state(1, 0.5)).endswith("best mIoU 50.0%")


def test_speed__is_images_over_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 11.0, 13.0])
    monkeypatch.setattr("terrazzo.train.reporter.time.monotonic", lambda: next(clock))
    speed = Speed()
    assert [speed.add(8), speed.add(8), speed.add(16)] == [0.0, 8.0, 8.0]


@pytest.mark.parametrize("terminal", [False, True])
def test_console_reporter__writes_steps_scores_and_notes(terminal: bool) -> None:
    out = io.StringIO()
    reporter = ConsoleReporter(Console(file=out, force_terminal=terminal, width=200, color_system=None))
    reporter.start(0.25)
    reporter.step(state(7), facts(), 0.3)
    evaluation = cast("Evaluation", SimpleNamespace(scores=SimpleNamespace(miou=0.615)))
    reporter.validated(state(8), evaluation, better=True)
    reporter.validated(state(9), evaluation, better=False)
    reporter.note("Resuming at step [7].")
    reporter.stop()
    text = out.getvalue()
    assert "step 7" in text
    assert "30%" in text
    assert "step 8: validation mIoU 61.5%, the best so far" in text
    assert "step 9: validation mIoU 61.5%\n" in text.replace("\r", "")
    assert "Resuming at step [7]." in text
