"""What matters: one short run per loss, class weights, optimiser and schedule, on CamVid at quarter size.

    python -m benchmarks.choices ../shared/data/camvid --jobs 2   # into benchmarks/results, docs/choices.md
    python -m benchmarks.choices --only "Dice" "focal"            # these, where they are not yet there
    python -m benchmarks.choices --page                           # only write the page again

Every run is `terrazzo train recipes/camvid/quarter.yaml` with the overrides of its choice, in a process of
its own with one thread: the same seed, budget in steps, and on one kind of machine the same bits, however
busy it is. A run that is in the JSON is not run again, unless its settings have changed; so it can be stopped
at any time. The score is that of the weights at the end of the budget, and not of the best validation.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.choices_list import CHOICES, Choice
from benchmarks.choices_page import write_page
from terrazzo.core.config import read_yaml

RECIPE = Path("recipes/camvid/quarter.yaml")
RESULTS = Path("benchmarks/results/choices.json")
PAGE = Path("docs/choices.md")
SWEEP_STEPS = 100

Row = dict[str, Any]


class Book:
    """The rows of a JSON file; every new one is on disk before the next run ends."""

    def __init__(self, path: Path) -> None:
        """Read what is there."""
        self.path = path
        self.facts: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"rows": []}
        self._lock = threading.Lock()

    @property
    def rows(self) -> list[Row]:
        """All rows, in the order of the choices."""
        rows: list[Row] = self.facts["rows"]
        return rows

    def has(self, choice: Choice, settings: str) -> bool:
        """Whether this choice was run with these settings."""
        return any(row["name"] == choice.name and row["settings"] == settings for row in self.rows)

    def add(self, row: Row, facts: dict[str, Any]) -> None:
        """Put a row in the place of the one of its name, and write the file."""
        with self._lock:
            kept = {old["name"]: old for old in self.rows if old["name"] in CHOICES} | {row["name"]: row}
            self.facts = {**self.facts, **facts, "rows": [kept[name] for name in CHOICES if name in kept]}
            temporary = self.path.with_suffix(".json.tmp")
            temporary.write_text(json.dumps(self.facts, indent=1) + "\n")
            temporary.replace(self.path)


def settings_of(choice: Choice, extra: Sequence[str]) -> str:
    """Return a short name of everything that decides a run: recipe, overrides, how its rate is found."""
    facts = [read_yaml(RECIPE), *choice.overrides, *extra, choice.find_lr]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]


def run(choice: Choice, root: Path | None, extra: Sequence[str]) -> tuple[Row, dict[str, Any]]:
    """Train one choice in a process of its own; return its row, and what all rows share.

    Raises:
        RuntimeError: the run failed; with the last lines it printed.
    """
    place = () if root is None else (f"data.root={root}",)
    overrides = [*choice.overrides, *extra]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        if choice.find_lr:
            rate = _found_rate([*overrides, *place], out)
            overrides = [item for item in overrides if not item.startswith("optimizer.lr=")]
            overrides.append(f"optimizer.lr={rate:.2g}")
        facts = _terrazzo("train", [*overrides, *place, "--out", str(out / "run")], out / "train.json")
        scores = json.loads((out / "run" / "last" / "model.json").read_text())["scores"]
    row = {
        "name": choice.name,
        "table": choice.table,
        "overrides": [item for item in overrides if item not in extra],
        "source": choice.source,
        "settings": settings_of(choice, extra),
        "steps": facts["steps"],
        "seconds": round(facts["seconds"], 1),
        **{key: scores[key] for key in ("miou", "miou_interval", "pixel_accuracy")},
        "iou": {entry["name"]: entry["iou"] for entry in scores["per_class"]},
    }
    return row, {"protocol": scores["protocol"]}


def _found_rate(overrides: Sequence[str], folder: Path) -> float:
    """Return the learning rate that `terrazzo find-lr` suggests.

    Raises:
        RuntimeError: it suggests none.
    """
    options = ["--steps", str(SWEEP_STEPS), "--out", str(folder / "lr.html")]
    suggestion = _terrazzo("find-lr", [*overrides, *options], folder / "lr.json")["suggestion"]
    if suggestion is None:
        raise RuntimeError("the loss never fell, so no rate is suggested")
    return float(suggestion)


def _terrazzo(verb: str, arguments: Sequence[str], facts: Path) -> dict[str, Any]:
    """Run a command on the recipe with one thread; return what it says in its JSON."""
    command = [sys.executable, "-m", "terrazzo", verb, str(RECIPE), *arguments, "--json", str(facts)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(facts.read_text())
    return result


def run_all(
    choices: Iterable[Choice], book: Book, root: Path | None, extra: Sequence[str], *, jobs: int
) -> list[str]:
    """Run what is not in the book yet, some at a time; return the names of those that failed."""
    failed: list[str] = []

    def work(choice: Choice) -> None:
        try:
            row, shared = run(choice, root, extra)
        except RuntimeError as error:
            failed.append(choice.name)
            print(f"{choice.name} FAILED: {error}", flush=True)
            return
        book.add(row, shared)
        print(f"{choice.name}: mIoU {100 * row['miou']:.1f}%, {row['seconds']:.0f} s", flush=True)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(work, [c for c in choices if not book.has(c, settings_of(c, extra))]))
    return failed


def main() -> None:
    """Run what was asked for, keep the rest, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path, nargs="?", default=Path("../shared/data/camvid"))
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, each with one thread")
    parser.add_argument("--only", nargs="+", choices=list(CHOICES), metavar="NAME", default=list(CHOICES))
    parser.add_argument("--page", action="store_true", help="run nothing, write the page from the JSON")
    options = parser.parse_args()
    book, failed = Book(RESULTS), []
    if not options.page:
        from benchmarks import machine

        book.facts |= {"recipe": str(RECIPE), "machine": machine.facts() | {"threads": 1}}
        chosen = [CHOICES[name] for name in options.only]
        failed = run_all(chosen, book, options.root, (), jobs=options.jobs)
    write_page(PAGE, book.rows)
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
