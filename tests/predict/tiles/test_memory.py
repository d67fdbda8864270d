"""What a prediction will take, said before it is made."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from terrazzo.core.errors import TerrazzoError
from terrazzo.core.prediction import Prediction
from terrazzo.models import build_model
from terrazzo.predict import TorchBackend, WholeImage
from terrazzo.predict.tiles.auto import LARGEST, AutoTiled, plan
from terrazzo.predict.tiles.memory import LiveBytes, _group_limits, available, in_words, needed
from tests.predict.small import small

MIB = 1 << 20


def test_live_bytes__counts_what_is_alive_at_once() -> None:
    with LiveBytes() as counter:
        first = torch.empty(MIB, dtype=torch.uint8, device="meta")
        view = first[: MIB // 2]
        second = first + 1
        del first, second
        third = view + 1
        fourth = torch.empty(MIB, dtype=torch.uint8, device="meta")
        del third, fourth, view
    assert counter.peak == 2.5 * MIB
    assert counter.now == 0


def test_live_bytes__views_of_what_was_there_are_nothing_new() -> None:
    weight = torch.empty((1024, 1024), device="meta")
    with LiveBytes(there=[weight]) as counter:
        turned = weight.t()
        made = turned @ torch.empty((1024, 1), device="meta")
        del made
    assert counter.peak == 2 * 4096


def test_needed__of_a_network_worked_out_by_hand() -> None:
    """The widest moment is the second convolution: (8, h, w) in, through ReLU, and out."""
    need = needed(small(), (400, 800), in_channels=3)
    pixels, logits = 400 * 800, 100 * 200
    normalised = 3 * pixels + 3 * (3 * pixels * 4)
    assert need.tensors <= normalised + 8 * logits * 4 * 2
    assert need.tensors >= 2 * (3 * pixels * 4)
    assert need.labels == 3 * logits * 4 + pixels


def test_needed__leaves_the_model_as_it_is() -> None:
    model = build_model("unet", num_classes=5, num_blocks=1).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    needed(model, (200, 300), in_channels=3)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_needed__attention_is_computed_in_blocks() -> None:
    """Written out, the attention of 64 x 64 tokens to each other would be 8 heads x 64 MiB."""

    class Attends(nn.Module):
        def forward(self, image_BCHW: torch.Tensor) -> Prediction:
            tokens = image_BCHW.float().flatten(2)[:, None].transpose(2, 3).expand(1, 8, -1, 3)
            mixed = nn.functional.scaled_dot_product_attention(tokens, tokens, tokens)
            return Prediction(mixed.mean(dim=1).transpose(1, 2).reshape(1, 3, 64, 64), 1, (64, 64))

    assert needed(Attends(), (64, 64), in_channels=3).tensors < 4 * MIB


def test_needed__wide_values_take_more() -> None:
    narrow, wide = (needed(small(), (512, 512), in_channels=3, itemsize=size).tensors for size in (1, 2))
    assert wide > narrow


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "encoder"), [("unet-timm", "resnet34"), ("fpn", "resnet50"), ("segformer", None)]
)
def test_needed__within_a_quarter_of_what_is_measured(name: str, encoder: str | None) -> None:
    from benchmarks.prediction_memory import measure

    assert 0.75 < measure(name, encoder, (1024, 2048))["ratio"] < 1.25


def test_available__is_no_more_than_the_machine_has() -> None:
    import psutil

    assert 0 < available("cpu") <= psutil.virtual_memory().total


def group(root: Path, lines: str, files: dict[str, str]) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(lines)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_available__a_containers_limit_counts(tmp_path: Path) -> None:
    second = group(
        tmp_path / "second",
        "0::/work/job\n",
        {
            "work/job/memory.max": "max\n",
            "work/job/memory.current": "5\n",
            "work/memory.max": "1000\n",
            "work/memory.current": "400\n",
        },
    )
    assert _group_limits(second) == [600]
    first = group(
        tmp_path / "first",
        "5:cpu:/x\n4:memory:/job\n",
        {
            "memory/job/memory.limit_in_bytes": "900\n",
            "memory/job/memory.usage_in_bytes": "950\n",
            "memory/memory.limit_in_bytes": str(2**63 - 4096),
            "memory/memory.usage_in_bytes": "950\n",
        },
    )
    assert _group_limits(first) == [0]
    assert _group_limits(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("count", "words"), [(31 << 30, "31 GiB"), (int(2.14 * 2**30), "2.1 GiB"), (3 << 20, "3.0 MiB")]
)
def test_in_words(count: int, words: str) -> None:
    assert in_words(count) == words


def whole() -> WholeImage:
    return WholeImage(TorchBackend(small()))


def test_plan__whole_where_it_fits() -> None:
    found = plan(whole(), (600, 800), budget=1 << 40)
    assert (found.tile, found.apply(base := whole())) == (None, base)
    assert found.sentence == f"800 x 600 pixels take about {in_words(found.whole_bytes)} whole."


def test_plan__else_the_largest_tile_that_fits() -> None:
    budget = 100 * MIB
    found = plan(whole(), (3000, 4000), budget=budget)
    assert found.tile is not None
    assert found.tile % 32 == 0
    assert found.overlap == round(found.tile / 4 / 4) * 4
    assert found.tiled_bytes <= budget < found.whole_bytes
    more = needed(small(), (found.tile + 32, found.tile + 32), in_channels=3).peak + found.tiled_bytes
    assert more - needed(small(), (found.tile, found.tile), in_channels=3).peak > budget
    assert found.sentence == (
        f"4000 x 3000 pixels would take about {in_words(found.whole_bytes)} whole; {found.tile} x "
        f"{found.tile} tiles with {found.overlap} overlap take {in_words(found.tiled_bytes)}."
    )


def test_plan__never_larger_than_it_helps() -> None:
    found = plan(whole(), (9000, 14000), budget=3 << 30)
    assert (found.tile, found.overlap) == (LARGEST, LARGEST // 4)


def test_plan__a_raster_is_never_whole_beyond_the_largest_tile() -> None:
    assert plan(whole(), (40_000, 40_000), budget=1 << 40, windowed=True).tile == LARGEST
    assert plan(whole(), (1000, 1000), budget=1 << 40, windowed=True).tile is None


def test_plan__not_even_small_tiles_fit() -> None:
    with pytest.raises(
        TerrazzoError, match=r"14000 x 9000 pixels take .* even in tiles of 64; 2.0 MiB may be used"
    ):
        plan(whole(), (9000, 14000), budget=2 * MIB)


def test_auto_tiled__cuts_only_what_does_not_fit() -> None:
    image = np.random.default_rng(0).integers(0, 256, (700, 900, 3), dtype=np.uint8)
    auto = AutoTiled(whole(), budget=8 * MIB)
    assert auto.method.tiles == "whole image"
    small_image: Any = image[:100, :100]
    assert torch.equal(auto(small_image).logits, whole()(small_image).logits)
    assert auto.method.tiles == "whole image"
    found = auto.plan(image.shape[:2])
    assert torch.equal(auto(image).logits, found.apply(whole())(image).logits)
    assert (
        auto.method.tiles
        == f"whole image; tiles {found.tile} x {found.tile}, overlap {found.overlap}, Gaussian"
    )
