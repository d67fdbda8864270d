"""The learning-rate finder: what it reads from a sweep, and a sweep of a real recipe."""

import math
from pathlib import Path

import pytest
import torch

from terrazzo.core.errors import RequestError
from terrazzo.train import build_recipe
from terrazzo.train.find_lr import Sweep, find_lr, swept_rates, write_sweep

RECIPE = build_recipe(
    {
        "data": {"options": {"size": [64, 96], "count": 8}},
        "transforms": {"crop": [48, 64]},
        "model": {"kind": "unet", "options": {"num_blocks": 2}},
        "train": {"steps": 1, "batch_size": 2, "workers": 0, "ema": 0},
    }
)


def valley(steps: int = 121) -> Sweep:
    """A loss that falls fastest around 1e-3, is lowest about 1e-1, and rises after."""
    rates = swept_rates(1e-6, 1e1, steps)
    logs = [math.log10(rate) for rate in rates]
    return Sweep(
        tuple(rates), tuple(2 - 1 / (1 + math.exp(-3 * (x + 3))) + max(0.0, x + 1) ** 2 for x in logs)
    )


def test_swept_rates__rise_by_one_factor() -> None:
    assert swept_rates(1e-3, 1e1, 5) == pytest.approx([1e-3, 1e-2, 1e-1, 1.0, 10.0])


@pytest.mark.parametrize(("lowest", "highest", "steps"), [(1.0, 1.0, 5), (0.0, 1.0, 5), (0.1, 1.0, 1)])
def test_swept_rates__refuse_an_empty_range(lowest: float, highest: float, steps: int) -> None:
    with pytest.raises(RequestError, match="expected 2 steps or more, and rates above 0 that rise"):
        swept_rates(lowest, highest, steps)


def test_sweep__finds_the_fall_and_the_bottom_a_few_steps_late() -> None:
    sweep = valley()
    assert sweep.steepest is not None
    assert sweep.lowest is not None
    assert 1e-3 < sweep.steepest < 1e-2  # the running mean is late by about half a decade
    assert 0.1 < sweep.lowest < 0.6
    assert sweep.suggestion == min(sweep.steepest, sweep.lowest / 10)


def test_sweep__a_constant_loss_is_its_own_mean_and_suggests_nothing() -> None:
    sweep = Sweep((1e-3, 1e-2, 1e-1), (2.0, 2.0, 2.0))
    assert sweep.smoothed == pytest.approx([2.0, 2.0, 2.0])
    assert (sweep.suggestion, sweep.steepest, sweep.lowest) == (None, None, None)
    assert Sweep((), ()).suggestion is None


def test_find_lr__trains_by_the_recipe_and_repeats_itself() -> None:
    sweep = find_lr(RECIPE, lowest=1e-5, highest=1e-2, steps=6)
    assert sweep.rates == pytest.approx(swept_rates(1e-5, 1e-2, 6))
    assert len(sweep.losses) == 6
    assert find_lr(RECIPE, lowest=1e-5, highest=1e-2, steps=6) == sweep


def test_find_lr__ends_where_the_loss_diverges() -> None:
    recipe = RECIPE.model_copy(
        update={
            "optimizer": RECIPE.optimizer.model_copy(update={"kind": "sgd"}),
            "train": RECIPE.train.model_copy(update={"clip": 0.0}),
        }
    )
    sweep = find_lr(recipe, lowest=1e-2, highest=1e6, steps=40)
    assert len(sweep.losses) < 40
    assert all(math.isfinite(loss) for loss in sweep.losses)


def test_find_lr__sets_every_group_in_proportion(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[float]] = []
    real = torch.optim.AdamW.step

    def spy(self: torch.optim.AdamW, *args: object, **options: object) -> object:
        seen.append(sorted({group["lr"] for group in self.param_groups}))
        return real(self, *args, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", spy)
    optimizer = RECIPE.optimizer.model_copy(update={"encoder_lr_factor": 0.1, "lr": 3e-3})
    find_lr(RECIPE.model_copy(update={"optimizer": optimizer}), lowest=1e-4, highest=1e-2, steps=2)
    assert seen == [pytest.approx([1e-5, 1e-4]), pytest.approx([1e-3, 1e-2])]


@pytest.mark.parametrize(
    ("sweep", "words"), [(valley(), "Suggested: 0.00"), (Sweep((1e-3, 1e-2), (2.0, 2.0)), "No suggestion")]
)
def test_write_sweep__one_page_with_the_chart(tmp_path: Path, sweep: Sweep, words: str) -> None:
    page = tmp_path / "new" / "lr.html"
    write_sweep(page, sweep, title="a <recipe>")
    text = page.read_text()
    assert words in text
    assert "<svg" in text
    assert "a &lt;recipe&gt;" in text
    assert [path.name for path in page.parent.iterdir()] == ["lr.html"]
