"""What a person sees while a run goes on: a live bar in a terminal, plain lines in a file."""

import time
from collections import deque

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column

from terrazzo.evaluate import Evaluation
from terrazzo.train.loop import State, StepFacts

PLAIN_SECONDS = 30.0
"""Seconds between lines where there is no terminal."""


class Reporter:
    """Silent; the processes of a run that do not speak use it as it is."""

    def start(self, progress: float) -> None:
        """The run begins, or goes on, at `progress` of its budget."""

    def step(self, state: State, facts: StepFacts, progress: float) -> None:
        """An optimiser step is done."""

    def validated(self, state: State, evaluation: Evaluation, *, better: bool) -> None:
        """A validation is done."""

    def note(self, text: str) -> None:
        """Something a person should know."""

    def stop(self) -> None:
        """The run is over."""


class Speed:
    """Images per second over the last steps."""

    def __init__(self, window: int = 30) -> None:
        self._seen: deque[tuple[float, int]] = deque(maxlen=window)
        self._images = 0

    def add(self, images: int) -> float:
        """Count a step's images; return images/s over the window, 0 for the first step."""
        self._images += images
        self._seen.append((time.monotonic(), self._images))
        (start, first), (end, last) = self._seen[0], self._seen[-1]
        return (last - first) / (end - start) if end > start else 0.0


class ConsoleReporter(Reporter):
    """Writes to a rich console."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._speed = Speed()
        self._spoken = float("-inf")
        self._bar = Progress(
            TextColumn("step {task.fields[step]}"),
            BarColumn(bar_width=12),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(table_column=Column(min_width=7, no_wrap=True)),
            TextColumn("left"),
            TextColumn("{task.fields[facts]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
            console=console,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None

    def start(self, progress: float) -> None:
        """Show the bar."""
        self._bar.start()
        self._task = self._bar.add_task("train", total=1.0, step=0, facts="")
        self._bar.update(self._task, completed=progress)

    def step(self, state: State, facts: StepFacts, progress: float) -> None:
        """Move the bar, or write a line from time to time."""
        speed = self._speed.add(facts.images)
        if self.console.is_terminal:
            assert self._task is not None
            text = describe(facts, speed, state)
            self._bar.update(self._task, completed=progress, step=state["step"], facts=text)
        elif time.monotonic() - self._spoken > PLAIN_SECONDS:
            self._spoken = time.monotonic()
            self._print(f"step {state['step']}  {progress:4.0%}  {describe(facts, speed, state)}")

    def validated(self, state: State, evaluation: Evaluation, *, better: bool) -> None:
        """Write the score."""
        mark = ", the best so far" if better else ""
        self._print(f"step {state['step']}: validation mIoU {evaluation.scores.miou:.1%}{mark}")

    def note(self, text: str) -> None:
        """Write it."""
        self._print(text)

    def stop(self) -> None:
        """Take the bar away."""
        self._bar.stop()

    def _print(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)


def describe(facts: StepFacts, speed: float, state: State) -> str:
    """Put a step into words: loss, its parts where there are several, images/s, best score so far."""
    values = [f"{name} {float(value):.3f}" for name, value in facts.parts.items()]
    parts = f" ({' '.join(values)})" if len(values) > 1 else ""
    best = f"  best mIoU {state['best']:.1%}" if state["best"] >= 0 else ""
    return f"loss {float(facts.loss):.3f}{parts}  {speed:.1f} images/s{best}"
