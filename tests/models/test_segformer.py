"""SegFormer: its sizes, which levels it uses, and what comes out of the fusion."""

from typing import Any, ClassVar

import pytest
import torch

from terrazzo.models import build_model
from terrazzo.models.segformer import SegFormer
from tests.models.contract import ModelContract, Published

SMALL_MIT: dict[str, Any] = {"embed_dims": [8, 16, 20, 16], "depths": [1, 1, 1, 1]}
SMALL_RESNET: dict[str, Any] = {"channels": [8, 16, 32, 64]}


class TestSegFormer(ModelContract):
    name = "segformer"
    encoder = "mit_b0"
    options: ClassVar[dict[str, Any]] = {"encoder_options": SMALL_MIT, "decoder_channels": 16}
    stride = 4
    parameters = 35_352
    published = Published(
        arguments={"num_classes": 150, "encoder": "mit_b0"}, ours=3_752_694, millions=3.8, source="table 1"
    )


class TestSegFormerResNet(ModelContract):
    name = "segformer"
    encoder = "resnet10t"
    options: ClassVar[dict[str, Any]] = {
        "encoder_options": SMALL_RESNET,
        "decoder_channels": 16,
        "finer_levels": True,
        "align_corners": True,
    }
    stride = 4
    parameters = 112_316


def segformer(**options: Any) -> SegFormer:
    torch.manual_seed(0)
    given = {"encoder": "mit_b0", "encoder_options": SMALL_MIT, "decoder_channels": 16, **options}
    model = build_model("segformer", num_classes=3, **given).eval()
    assert isinstance(model, SegFormer)
    return model


@pytest.mark.parametrize(
    ("encoder", "decoder_channels", "count", "millions"),
    [
        ("mit_b1", 256, 13_715_798, 13.1 + 0.6),
        ("mit_b2", 768, 27_461_974, 24.2 + 3.3),
        ("mit_b3", 768, 47_337_814, 44.0 + 3.3),
        ("mit_b4", 768, 64_108_374, 60.8 + 3.3),
        ("mit_b5", 768, 84_708_694, 81.4 + 3.3),
    ],
)
def test_segformer__has_the_published_number_of_parameters(
    encoder: str, decoder_channels: int, count: int, millions: float
) -> None:
    with torch.device("meta"):
        model = build_model("segformer", num_classes=150, encoder=encoder, decoder_channels=decoder_channels)
    assert sum(p.numel() for p in model.parameters()) == count
    assert count / 1e6 == pytest.approx(millions, rel=0.002)


def test_segformer__levels_are_concatenated_coarsest_first() -> None:
    model: Any = segformer()
    for level, project in enumerate(model.project):
        torch.nn.init.zeros_(project.weight)
        torch.nn.init.constant_(project.bias, float(level))
    given: list[torch.Tensor] = []
    model.fuse.register_forward_pre_hook(lambda _module, inputs: given.append(inputs[0]))
    model(torch.zeros(1, 3, 64, 96))
    assert given[0].shape == (1, 4 * 16, 16, 24)
    assert given[0].mean((0, 2, 3)).tolist() == [3.0] * 16 + [2.0] * 16 + [1.0] * 16 + [0.0] * 16


@pytest.mark.parametrize(("finer_levels", "levels"), [(False, 4), (True, 5)])
def test_segformer__finer_levels_come_down_to_stride_4(finer_levels: bool, levels: int) -> None:
    model = segformer(encoder="resnet10t", encoder_options=SMALL_RESNET, finer_levels=finer_levels)
    assert len(model.project) == levels
    # Before the crop, which would hide logits at a finer stride.
    logits = model.logits(torch.zeros(1, 3, 64, 96))
    assert logits.shape == (1, 3, 16, 24)


def test_segformer__finer_levels_change_nothing_where_there_are_none() -> None:
    assert len(segformer(finer_levels=True).project) == 4


def test_segformer__drops_maps_in_training_only() -> None:
    options = {**SMALL_MIT, "drop_path_rate": 0.0}
    model = segformer(encoder_options=options, dropout=0.5).train()
    image = torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8)
    assert not torch.equal(model(image).logits, model(image).logits)
    model.eval()
    assert torch.equal(model(image).logits, model(image).logits)
