"""The comparison of choices: what it runs is a valid recipe each, and its page is filled from the JSON."""

import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

from benchmarks import choices
from benchmarks.choices import RECIPE, Book, run_all, settings_of
from benchmarks.choices_list import BASE, CHOICES, Choice, Table
from benchmarks.choices_page import table_of, write_page
from terrazzo.core.images import write_png
from terrazzo.losses import LOSSES
from terrazzo.losses.config import build_loss
from terrazzo.train import read_recipe
from terrazzo.train.optimizer import Kind

PAGE = Path("docs/choices.md")
SMALL = ("train.steps=3", "train.batch_size=2", "transforms.crop=[48,64]", "train.validations=1")


def row(name: str, miou: float, **changed: Any) -> dict[str, Any]:
    choice = CHOICES[name]
    known = {
        "name": name,
        "table": choice.table,
        "overrides": list(choice.overrides),
        "source": choice.source,
        "settings": settings_of(choice, ()),
        "miou": miou,
        "miou_interval": [miou - 0.01, miou + 0.02],
    }
    return known | changed


@pytest.mark.parametrize("choice", CHOICES.values(), ids=lambda choice: choice.name)
def test_choices__are_recipes_that_differ_in_one_section(choice: Choice) -> None:
    recipe = read_recipe(RECIPE, choice.overrides)
    loss = build_loss(recipe.loss.parts)
    logits = torch.randn(1, 11, 4, 5, requires_grad=True)
    target = torch.arange(16 * 20).reshape(1, 16, 20) % 11
    for part in loss.parts:
        value = part.function(logits, target, stride=4)
        assert value.isfinite()
    sections = {item.partition(".")[0] for item in choice.overrides}
    assert len(sections - {"train"}) <= 1
    assert recipe.train.steps == read_recipe(RECIPE).train.steps


def test_choices__hold_every_loss_optimiser_and_schedule() -> None:
    recipes = [read_recipe(RECIPE, choice.overrides) for choice in CHOICES.values()]
    assert {part.kind for recipe in recipes for part in recipe.loss.parts} == set(LOSSES)
    assert {recipe.optimizer.kind for recipe in recipes} == set(get_args(Kind))
    kinds = get_args(type(recipes[0].schedule).model_fields["kind"].annotation)
    assert {recipe.schedule.kind for recipe in recipes} == set(kinds)
    rules = get_args(type(recipes[0].loss).model_fields["class_weights"].annotation)
    assert {recipe.loss.class_weights for recipe in recipes} == set(rules)


def test_settings__change_with_what_decides_a_run() -> None:
    base, dice = CHOICES[BASE], CHOICES["Dice"]
    assert settings_of(base, ()) == settings_of(base, ())
    assert len({settings_of(base, ()), settings_of(dice, ()), settings_of(base, ("train.seed=3",))}) == 3
    twins = [Choice("a", "optimisers"), Choice("a", "optimisers", find_lr=True)]
    assert len({settings_of(choice, ()) for choice in twins}) == 2


def test_book__keeps_rows_and_replaces_those_of_the_same_name(tmp_path: Path) -> None:
    path = tmp_path / "choices.json"
    book = Book(path)
    book.add(row("Dice", 0.3), {"protocol": {"split": "val"}})
    book.add(row(BASE, 0.4), {})
    book.add(row("Dice", 0.5), {})
    again = Book(path)
    assert [(r["name"], r["miou"]) for r in again.rows] == [(BASE, 0.4), ("Dice", 0.5)]
    assert again.facts["protocol"] == {"split": "val"}
    assert again.has(CHOICES["Dice"], settings_of(CHOICES["Dice"], ()))
    assert not again.has(CHOICES["Dice"], "other settings")
    assert not again.has(CHOICES["focal"], settings_of(CHOICES["focal"], ()))


def test_run_all__skips_what_is_there_and_goes_on_after_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[str] = []

    def run(choice: Choice, _root: Path | None, _extra: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        ran.append(choice.name)
        if choice.name == "focal":
            raise RuntimeError("no space left")
        return row(choice.name, 0.5, seconds=1.0), {}

    monkeypatch.setattr(choices, "run", run)
    book = Book(tmp_path / "choices.json")
    book.add(row("Dice", 0.3), {})
    chosen = [CHOICES[name] for name in (BASE, "Dice", "focal", "Muon")]
    assert run_all(chosen, book, None, (), jobs=1) == ["focal"]
    assert ran == [BASE, "focal", "Muon"]
    assert [r["name"] for r in Book(book.path).rows] == [BASE, "Dice", "Muon"]
    assert "focal FAILED: no space left" in capsys.readouterr().out


def test_table_of__is_sorted_and_says_what_differs_from_the_recipe() -> None:
    rows = [row(BASE, 0.4), row("Dice", 0.35), row("focal", 0.456), row("Muon", 0.9)]
    lines = table_of("losses", rows).splitlines()[2:]
    assert lines == [
        "| focal | 45.6% (44.6% to 47.6%) | +5.6 | `loss.parts=[{kind: focal}]` | gamma 2, Lin et al. 2017 |",
        "| **the recipe** | 40.0% (39.0% to 42.0%) | | | |",
        "| Dice | 35.0% (34.0% to 37.0%) | -5.0 | `loss.parts=[{kind: dice}]` |  |",
    ]


def test_write_page__fills_every_table_of_the_page(tmp_path: Path) -> None:
    copy = tmp_path / "choices.md"
    copy.write_text(PAGE.read_text())
    write_page(copy, [row(name, 0.4) for name in CHOICES])
    text = copy.read_text()
    missing = [name for name in CHOICES if f"| {name} |" not in text and f"| **{name}** |" not in text]
    assert not missing
    assert text.count("**the recipe**") == len(get_args(Table))


def test_page__shows_what_the_results_hold(tmp_path: Path) -> None:
    if not choices.RESULTS.exists():
        pytest.skip("the comparison has not been run")
    copy = tmp_path / "choices.md"
    copy.write_text(PAGE.read_text())
    write_page(copy, json.loads(choices.RESULTS.read_text())["rows"])
    assert copy.read_text() == PAGE.read_text()


def made_camvid(root: Path) -> Path:
    """Write images and masks of noise in CamVid's layout."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for i in range(4):
            for kind, pixels in (
                ("images", rng.integers(0, 256, (64, 96, 3), dtype=np.uint8)),
                ("masks", rng.integers(0, 12, (64, 96), dtype=np.uint8)),
            ):
                place = root / split / kind
                place.mkdir(parents=True, exist_ok=True)
                write_png(place / f"0001TP_{i:05}.png", pixels)
    return root


@pytest.mark.slow
def test_run_all__trains_by_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choices, "SWEEP_STEPS", 12)
    book = Book(tmp_path / "choices.json")
    names = [BASE, "cross-entropy, sqrt", "Lion, rate found"]
    chosen = [CHOICES[name] for name in names]
    failed = run_all(chosen, book, made_camvid(tmp_path / "camvid"), SMALL, jobs=2)
    rows = {r["name"]: r for r in Book(book.path).rows}
    assert set(rows) | set(failed) == set(names)
    assert {BASE, "cross-entropy, sqrt"} <= set(rows)  # noise may be too little for the sweep
    assert rows[BASE]["steps"] == 3
    assert 0 <= rows[BASE]["miou"] <= 1
    assert rows[BASE]["miou_interval"] == [None, None]  # of so few frames of one video there is none
    assert not any("data.root" in item for r in rows.values() for item in r["overrides"])
    assert book.facts["protocol"]["resolution"] == "original ground truth"
