"""ICNet: the size of the official network, and what is special about it: split encoder, cascade fusion."""

from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from terrazzo.models.encoder import build_encoder
from terrazzo.models.icnet import CascadeFusion, ICNet, SplitEncoder
from tests.models.contract import ModelContract, Published, images

SMALL: dict[str, Any] = {"channels": [8, 16, 32, 64]}


class TestICNet(ModelContract):
    name = "icnet"
    encoder = "resnet10t"
    options: ClassVar[dict[str, Any]] = {"encoder_options": SMALL, "channels": 16, "context_channels": 24}
    stride = 4
    parameters = 145_668
    published = Published(
        arguments={
            "num_classes": 19,
            "encoder": "resnet50c",
            "encoder_options": {"channels": [32, 64, 128, 256]},
            "context_channels": 256,
            "auxiliary": False,
        },
        ours=6_699_987,
        millions=6.699_987,
        source="icnet_cityscapes_bnnomerge.prototxt of the official repository, counted: the compressed one",
    )


class TestICNetInsideAStage(ModelContract):
    name = "icnet"
    encoder = "resnet18"
    options: ClassVar[dict[str, Any]] = {
        "encoder_options": SMALL,
        "channels": 16,
        "context_channels": 24,
        "auxiliary": False,
        "align_corners": True,
    }
    stride = 4
    parameters = 227_204


def tiny(**options: Any) -> ICNet:
    torch.manual_seed(0)
    given: dict[str, Any] = {"encoder": "resnet18", "encoder_options": SMALL, "channels": 16, **options}
    model = build_model("icnet", num_classes=3, **given)
    assert isinstance(model, ICNet)
    return model


def test_icnet__before_compression_has_about_the_quoted_size() -> None:
    with torch.device("meta"):
        model = build_model("icnet", num_classes=19, auxiliary=False)
    count = sum(p.numel() for p in model.parameters())
    assert count == 25_524_659
    assert count / 1e6 == pytest.approx(26.5, rel=0.04)  # as later papers quote it


def test_icnet__label_guidance_has_the_published_weights() -> None:
    model = tiny()
    outputs = model(images(2, 3, 70, 96)).auxiliary
    assert [(output.stride, output.weight) for output in outputs] == [(16, 0.16), (8, 0.4)]
    assert [output.logits.shape for output in outputs] == [(2, 3, 5, 6), (2, 3, 9, 12)]
    assert not any(output.align_corners for output in outputs)
    assert tiny(auxiliary=False)(images(2, 3, 64, 64)).auxiliary == ()


def test_icnet__each_branch_sees_its_own_resolution() -> None:
    model = tiny().eval()
    sizes: dict[str, tuple[int, ...]] = {}
    parts = {
        "shared": model.encoder.shared,
        "deep": model.encoder.deep,
        "detail": model.detail,
        "context": model.context,
    }
    for name, part in parts.items():
        part.register_forward_hook(
            lambda _part, given, result, name=name: sizes.update(
                {f"{name} in": given[0].shape[2:], f"{name} out": result.shape[2:]}
            )
        )
    with torch.no_grad():
        model(images(1, 3, 128, 192))
    assert {name: tuple(size) for name, size in sizes.items()} == {
        "shared in": (64, 96),
        "shared out": (8, 12),
        "deep in": (4, 6),
        "deep out": (4, 6),
        "context in": (4, 6),
        "context out": (4, 6),
        "detail in": (128, 192),
        "detail out": (16, 24),
    }


@pytest.mark.parametrize("name", ["resnet18", "resnet10t", "regnetx_002"])
def test_split_encoder__both_parts_after_each_other_are_the_encoder(name: str) -> None:
    encoder = build_encoder(name, in_channels=3, options={"output_stride": 16}).eval()
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        levels = encoder(image)
        split = SplitEncoder(encoder).eval()
        medium = split.shared(image)
        torch.testing.assert_close(split.deep(medium), levels[-1], atol=0, rtol=0)
    assert split.channels == (encoder.channels[-3], encoder.channels[-1])
    assert split.strides == (8, 16)
    assert medium.shape == levels[-3].shape
    assert sum(p.numel() for p in split.parameters()) == sum(p.numel() for p in encoder.parameters())


def test_split_encoder__splits_after_the_first_block_of_stride_8() -> None:
    split = tiny().encoder
    assert len(split.shared) == 6  # conv, norm, activation, pool, layer1 and the first block of layer2
    assert len(split.deep) == 3


@pytest.mark.parametrize("name", ["mobilenetv3_small_050", "swin_tiny_patch4_window7_224"])
def test_split_encoder__refuses_encoders_that_it_cannot_split(name: str) -> None:
    encoder = build_encoder(name, in_channels=3)
    with pytest.raises(RequestError, match="ICNet splits its encoder at stride 8, and this one cannot"):
        SplitEncoder(encoder)


def test_icnet__takes_encoders_that_are_not_dilated() -> None:
    model = tiny(encoder_options={**SMALL, "output_stride": 32}).eval()
    assert model.multiple == 128
    assert model(images(1, 3, 130, 64)).logits.shape == (1, 3, 33, 16)


def test_icnet__adds_the_averages_of_all_bins() -> None:
    model: Any = tiny()
    features = torch.arange(36.0).view(1, 1, 6, 6)
    result = model._pooled_sum(features)
    assert result.mean().item() == pytest.approx(5 * 17.5, rel=1e-3)
    assert torch.equal(model._pooled_sum(torch.ones(1, 2, 4, 4)), torch.full((1, 2, 4, 4), 5.0))
    corner = (
        2 * features[0, 0, 0, 0] + 17.5 + (0 + 1 + 2 + 6 + 7 + 8 + 12 + 13 + 14) / 9 + (0 + 1 + 6 + 7) / 4
    )
    assert result[0, 0, 0, 0].item() == pytest.approx(corner.item())


def test_cascade_fusion__adds_both_branches_before_the_relu() -> None:
    fusion: Any = CascadeFusion(1, 1, 1).eval()
    with torch.no_grad():
        fusion.coarse[0].weight.fill_(0)[0, 0, 1, 1] = 1
        fusion.fine[0].weight.fill_(1)
        coarse, fine = torch.tensor([[[[1.0, -3.0]]]]), torch.tensor([[[[1.0, 2.0]]]])
        torch.testing.assert_close(fusion(coarse, fine), torch.tensor([[[[2.0, 0.0]]]]), atol=1e-4, rtol=0)
    assert fusion.coarse[0].dilation == (2, 2)


def test_icnet__classifying_first_and_widening_then_is_the_same() -> None:
    model: Any = tiny().eval()
    nn.init.normal_(model.classify.bias)
    features = torch.randn(1, 16, 5, 7)
    with torch.no_grad():
        after = model.classify(nn.functional.interpolate(features, scale_factor=2, mode="bilinear"))
        before = nn.functional.interpolate(model.classify(features), scale_factor=2, mode="bilinear")
    torch.testing.assert_close(before, after, atol=1e-5, rtol=1e-5)
