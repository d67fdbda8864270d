"""The self-driving U-Net: its two exact sizes, its stem, its dropout, and its blocks."""

from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from terrazzo.models.unet_residual import ResidualBlock, UNetResidual, Widen
from tests.models.contract import ModelContract, Published, images

SMALL = {"channels": [8, 16, 32, 64]}


class TestUNetResidual(ModelContract):
    name = "unet-residual"
    encoder = "resnet10t"
    options: ClassVar[dict[str, Any]] = {"encoder_options": SMALL, "width": 4}
    stride = 1
    parameters = 363_436
    published = Published(
        arguments={"num_classes": 8},
        ours=58_111_560,
        millions=58.11156,
        source="the variant with resnext50_32x4d and 8 classes",
    )


class TestUNetResidualWithBlocks(ModelContract):
    name = "unet-residual"
    encoder = "resnet10t"
    options: ClassVar[dict[str, Any]] = {"encoder_options": SMALL, "residual": True, "width": 4}
    stride = 1
    parameters = 535_340
    published = Published(
        arguments={"num_classes": 8, "residual": True},
        ours=69_034_568,
        millions=69.034568,
        source="the variant with residual blocks",
    )


def small(encoder: str = "resnet10t", **options: Any) -> UNetResidual:
    torch.manual_seed(0)
    model = build_model("unet-residual", num_classes=3, encoder=encoder, **options)
    assert isinstance(model, UNetResidual)
    return model


def test_residual_block__adds_its_change_before_the_last_relu() -> None:
    block = ResidualBlock(4)
    kinds = [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.Conv2d, nn.BatchNorm2d, nn.BatchNorm2d]
    assert [type(layer) for layer in block.change] == kinds
    nn.init.zeros_(block.change[-1].weight)  # type: ignore[arg-type]
    features = torch.randn(2, 4, 5, 6)
    torch.testing.assert_close(block(features), features.relu())


def test_widen__ends_with_relu_only_without_a_residual_block() -> None:
    plain, residual = Widen(6, 8, 4), Widen(6, 8, 4, residual=True)
    kinds = [[type(layer) for layer in (*block.conv, *block.widen)] for block in (plain, residual)]
    assert kinds[0] == [nn.Conv2d, nn.ReLU, nn.ConvTranspose2d, nn.ReLU]
    assert kinds[1] == [nn.Conv2d, nn.ReLU, ResidualBlock, nn.ConvTranspose2d]
    features = torch.randn(2, 6, 5, 7)
    assert plain(features).shape == residual(features).shape == (2, 4, 10, 14)
    assert plain(features).min() >= 0
    assert residual(features).min() < 0


def test_unet_residual__residual_blocks_stand_in_the_blocks_with_skips_alone() -> None:
    model = small(residual=True)
    with_one = [name for name, layer in model.named_modules() if isinstance(layer, ResidualBlock)]
    assert with_one == [f"blocks.{level}.conv.2" for level in range(4)]


def test_unet_residual__widths_from_centre_to_classes() -> None:
    model = small()
    convs = [layer for layer in model.blocks.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    assert [(conv.in_channels, conv.out_channels, *conv.kernel_size) for conv in convs] == [
        (256 + 512, 512, 3, 3),
        (512, 256, 4, 4),
        (256 + 256, 512, 3, 3),
        (512, 256, 4, 4),
        (256 + 128, 256, 3, 3),
        (256, 64, 4, 4),
        (64 + 64, 128, 3, 3),
        (128, 128, 4, 4),
    ]
    assert model.classify.in_channels == 32


def test_unet_residual__the_stem_pools_two_by_two() -> None:
    model = small()
    pool = model.encoder.body.maxpool
    assert isinstance(pool, nn.MaxPool2d)
    assert (pool.kernel_size, pool.stride, pool.padding) == (2, 2, 0)


@torch.no_grad()
def test_unet_residual__centre_and_skips_by_hand() -> None:
    model = small().eval()
    image = torch.randn(1, 3, 64, 128)
    _, one, two, three, four = model.encoder(image)
    features = model.centre(nn.functional.max_pool2d(four, 2))
    assert features.shape == (1, 256, 2, 4)
    for block, skip in zip(model.blocks, [four, three, two, one], strict=True):
        features = block(torch.cat([features, skip], dim=1))
    assert features.shape == (1, 128, 32, 64)
    torch.testing.assert_close(model.logits(image), model.classify(model.last(features)))


def test_unet_residual__whole_maps_are_dropped_after_each_stage_and_the_next_one_sees_it() -> None:
    model = small(dropout=0.5)
    levels = model.encoder(torch.randn(2, 3, 64, 64))
    gone = [(level.flatten(2).abs().amax(2) == 0).float().mean().item() for level in levels]
    assert gone[0] == 0
    assert all(0.3 < share < 0.7 for share in gone[1:])
    seen: list[torch.Tensor] = []
    second = model.encoder.body.get_submodule("layer2")
    second.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    levels = model.encoder(torch.randn(2, 3, 64, 64))
    torch.testing.assert_close(seen[0], levels[1])
    assert not any(
        (level.flatten(2).abs().amax(2) == 0).all()
        for level in model.eval().encoder(torch.randn(1, 3, 64, 64))
    )


def test_unet_residual__dropout_changes_no_name_of_the_encoders_weights() -> None:
    assert list(small().state_dict()) == list(small(dropout=0.0).state_dict())


def test_unet_residual__takes_encoders_whose_stages_are_no_sequence_and_do_not_pool() -> None:
    model = small("regnety_002")
    drops = [name for name, layer in model.named_modules() if isinstance(layer, nn.Dropout2d)]
    assert drops == [f"encoder.body.s{stage}.1" for stage in (1, 2, 3, 4)]
    assert model.eval()(images(1, 3, 97, 131)).logits.shape == (1, 3, 97, 131)


def test_unet_residual__trains_on_one_small_image() -> None:
    assert torch.isfinite(small(residual=True)(images(1, 3, 33, 64)).logits).all()


def test_unet_residual__refuses_other_strides() -> None:
    with pytest.raises(
        RequestError, match=r"strides 4, 8, 16 and 32; this encoder's levels are at 2, 4, 8, 16, 16"
    ):
        small(encoder_options={"output_stride": 16})


def test_unet_residual__refuses_to_drop_where_stages_cannot_be_told() -> None:
    with pytest.raises(
        RequestError, match=r"timm does not keep this one as a row of stages. Set dropout = 0"
    ):
        small("mobilenetv3_small_050")
    assert small("mobilenetv3_small_050", dropout=0.0).eval()(images(1, 3, 64, 64)).stride == 1
