"""The comparison of speed switches: every variant is another recipe, and its table goes into the page."""

from pathlib import Path

from benchmarks.pages import fill
from benchmarks.switches import COMMON, PAGE, RECIPE, VARIANTS, measure, table
from terrazzo.train import read_recipe

TINY = (
    "data.kind=scenes",
    "data.root=null",
    "data.options={size: [64, 96], count: 4}",
    "transforms.crop=[48, 64]",
    "train.batch_size=2",
    "loss.parts=[{kind: cross_entropy}]",
)


def test_variants__differ_in_the_switches_alone() -> None:
    trains = [read_recipe(RECIPE, (*COMMON, *overrides)).train for overrides in VARIANTS.values()]
    seen = {(train.precision, train.channels_last, train.compile) for train in trains}
    assert len(seen) == len(VARIANTS) == 6


def test_measure__compares_turn_by_turn() -> None:
    plain = {name: overrides for name, overrides in VARIANTS.items() if name in ("fp32", "bf16")}
    rows = measure(plain, TINY, turns=3, steps=1)
    assert [row["variant"] for row in rows] == ["fp32", "bf16"]
    assert rows[0]["times_the_first"] == 1.0
    assert all(len(row["turns_s"]) == 3 and row["step_ms"] > 0 for row in rows)


def test_table__goes_between_the_markers_of_the_page(tmp_path: Path) -> None:
    rows = [
        {"variant": "fp32", "step_ms": 12.3, "times_the_first": 1.0, "first_step_s": 0.44, "turns_s": [1]}
    ]
    copy = tmp_path / "recipes.md"
    copy.write_text(PAGE.read_text())
    fill(copy, "switches", table(rows))
    assert "\n| fp32 | 12 ms | 1.00 x | 0.4 s |\n<!-- switches:end -->" in copy.read_text()
