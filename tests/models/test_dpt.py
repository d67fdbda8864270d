"""DPT: published size, levels, class token, fusions, and refusals."""

from typing import Any, ClassVar

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from terrazzo.models.dpt import DPT, Fusion, ReadClassToken
from tests.models.contract import ModelContract, Published, images

TINY: dict[str, Any] = {"img_size": 64, "embed_dim": 16, "depth": 4, "num_heads": 2}


def tiny(**options: Any) -> DPT:
    given = {"num_classes": 3, "features": 8, "encoder": "vit_tiny_patch16_224", **options}
    model = build_model("dpt", encoder_options={**TINY, **given.pop("encoder_options", {})}, **given)
    assert isinstance(model, DPT)
    return model


class TestDPT(ModelContract):
    name = "dpt"
    encoder = "vit_tiny_patch16_224"
    options: ClassVar[dict[str, Any]] = {"features": 8, "encoder_options": TINY}
    stride = 2
    parameters = 42_780
    published = Published(
        arguments={
            "num_classes": 150,
            "encoder": "vit_large_patch16_384",
            "reassemble_channels": (256, 512, 1024, 1024),
        },
        ours=342_777_644,
        millions=343.0,
        source="table 4, DPT-Large, there with the head for depth",
    )


class TestWithoutClassToken(ModelContract):
    name = "dpt"
    encoder = "vit_tiny_patch16_224"
    options: ClassVar[dict[str, Any]] = {
        "features": 8,
        "readout": "ignore",
        "batch_norm": False,
        "auxiliary_at": "last",
        "align_corners": True,
        "encoder_options": {**TINY, "class_token": False, "global_pool": "avg", "patch_size": 8},
    }
    stride = 1
    parameters = 32_076


@pytest.mark.parametrize(("depth", "blocks"), [(12, [2, 5, 8, 11]), (24, [5, 11, 17, 23]), (4, [0, 1, 2, 3])])
def test_dpt__reads_the_depths_of_the_authors_code(depth: int, blocks: list[int]) -> None:
    assert tiny(encoder_options={"depth": depth}).blocks == blocks


def test_dpt__levels_have_the_strides_of_the_paper() -> None:
    levels = tiny()._levels(torch.zeros(1, 3, 64, 96))
    assert [tuple(level.shape) for level in levels] == [
        (1, 8, 16, 24),
        (1, 8, 8, 12),
        (1, 8, 4, 6),
        (1, 8, 2, 3),
    ]


def test_dpt__widths_follow_the_encoder_or_the_user() -> None:
    for model, widths in (
        (tiny(), [2, 4, 8, 16]),
        (tiny(reassemble_channels=(3, 5, 7, 9)), [3, 5, 7, 9]),
    ):
        weights = dict(model.named_parameters())
        assert [len(weights[f"reassemble.{level}.0.weight"]) for level in range(4)] == widths


def test_dpt__stops_after_the_last_block_it_reads() -> None:
    model = tiny(encoder_options={"depth": 12}, blocks=(0, 2, 3, 6))
    assert len(model.encoder.body.blocks) == 7
    assert isinstance(model.encoder.body.norm, nn.Identity)


def test_read_class_token__ignores_adds_or_projects() -> None:
    tokens = torch.arange(24.0).view(1, 6, 4)  # one class token, one register, four patches
    patches, token = tokens[:, 2:], tokens[:, :1]
    assert torch.equal(ReadClassToken(4, "ignore")(tokens, 2), patches)
    assert torch.equal(ReadClassToken(4, "add")(tokens, 2), patches + token)
    read = ReadClassToken(4, "project")
    assert read.project is not None
    linear = read.project[0]
    assert isinstance(linear, nn.Linear)
    linear.weight.data = torch.cat([torch.eye(4), 2 * torch.eye(4)], dim=1)
    linear.bias.data.zero_()
    torch.testing.assert_close(read(tokens, 2), F.gelu(patches + 2 * token))


def test_fusion__equals_the_published_order() -> None:
    """Level and coarser, refined, widened, and only then projected."""
    torch.manual_seed(0)
    fusion = Fusion(4, batch_norm=False, coarsest=False, align_corners=True)
    level, coarser = torch.randn(2, 1, 4, 3, 5)
    assert fusion.adapt is not None
    refined = fusion.refine(coarser + fusion.adapt(level))
    widened = F.interpolate(refined, scale_factor=2, mode="bilinear", align_corners=True)
    torch.testing.assert_close(fusion(level, coarser), fusion.project(widened))


def test_fusion__units_add_to_what_they_get_before_the_relu() -> None:
    fusion = Fusion(4, batch_norm=True, coarsest=True, align_corners=False)
    for layer in fusion.refine.layers:
        if isinstance(layer, nn.Conv2d):
            layer.weight.data.zero_()
    level = torch.randn(2, 4, 3, 5)
    assert torch.equal(fusion.refine(level), level)
    assert fusion.adapt is None


@pytest.mark.parametrize(("place", "stride"), [("penultimate", 4), ("last", 2)])
def test_dpt__auxiliary_head_stands_on_a_fusion(place: str, stride: int) -> None:
    (output,) = tiny(auxiliary_at=place, align_corners=True)(images(2, 3, 64, 96)).auxiliary
    assert (output.stride, output.weight, output.align_corners) == (stride, 0.2, True)
    assert output.logits.shape == (2, 3, 64 // stride, 96 // stride)


def test_dpt__auxiliary_head_can_be_left_out() -> None:
    model = tiny(auxiliary=False)
    assert model.auxiliary_head is None
    assert model(images(2, 3, 64, 96)).auxiliary == ()


def test_dpt__drops_values_in_training_only() -> None:
    model = tiny(dropout=0.5)
    image = images(2, 3, 64, 64)
    assert not torch.equal(model(image).logits, model(image).logits)
    model.eval()
    assert torch.equal(model(image).logits, model(image).logits)


def test_dpt__refuses_what_gives_no_whole_stride() -> None:
    with pytest.raises(RequestError, match="widens patches 8 times, and the encoder's have 14 pixels"):
        tiny(encoder_options={"patch_size": 14, "img_size": 70})


def test_dpt__refuses_to_read_a_class_token_that_is_not_there() -> None:
    with pytest.raises(RequestError, match="readout = 'project' reads the class token, which this encoder"):
        tiny(encoder_options={"class_token": False, "global_pool": "avg"})


def test_dpt__refuses_wrong_blocks() -> None:
    with pytest.raises(
        RequestError, match=r"blocks = \[0, 1, 2, 4\]: give 4 different blocks of 0..3, rising"
    ):
        tiny(blocks=(0, 1, 2, 4))
    with pytest.raises(RequestError, match=r"blocks = \[0, 2, 1, 3\]"):
        tiny(blocks=(0, 2, 1, 3))
    with pytest.raises(RequestError, match="DPT reads 4 depths, and the encoder has 3 blocks only"):
        tiny(encoder_options={"depth": 3})
