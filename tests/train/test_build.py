"""From a recipe to objects."""

import pytest
import torch

from terrazzo.core.errors import RequestError
from terrazzo.train import build_recipe
from terrazzo.train.build import build_accelerator, build_budget, has_bf16


@pytest.mark.parametrize(
    ("ability", "expected"), [("avx512_bf16", True), ("amx_bf16", True), ("avx2", False)]
)
def test_has_bf16__asks_the_processor(monkeypatch: pytest.MonkeyPatch, ability: str, expected: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {ability: True}, raising=False)
    assert has_bf16(on_cpu=True) is expected


@pytest.mark.parametrize(
    ("precision", "bf16", "mixed"), [("auto", True, "bf16"), ("auto", False, "no"), ("fp32", True, "no")]
)
def test_build_accelerator__automatic_precision_follows_the_device(
    monkeypatch: pytest.MonkeyPatch, precision: str, bf16: bool, mixed: str
) -> None:
    monkeypatch.setattr("terrazzo.train.build.has_bf16", lambda on_cpu: bf16)
    recipe = build_recipe({"train": {"steps": 1, "device": "cpu", "precision": precision}})
    assert build_accelerator(recipe).mixed_precision == mixed


@pytest.mark.skipif(torch.cuda.is_available(), reason="the sentence is for machines without CUDA")
def test_build_accelerator__cuda_that_is_not_there() -> None:
    with pytest.raises(RequestError, match=r"no CUDA device is here\. Use train\.device=auto or cpu"):
        build_accelerator(build_recipe({"train": {"steps": 1, "device": "cuda"}}))


def test_build_budget__epochs_count_samples() -> None:
    assert build_budget(build_recipe({"train": {"epochs": 2.5}}), 10).samples == 25
    assert build_budget(build_recipe({"train": {"steps": 7}}), 10).steps == 7
    assert build_budget(build_recipe({"train": {"minutes": 2}}), 10).seconds == 120
