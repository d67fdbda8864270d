"""SETR with its three decoders: published sizes, layers, strides, and refusals."""

from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from terrazzo.models.setr import SETR, Aggregation
from tests.models.contract import ModelContract, Published, images

TINY: dict[str, Any] = {"img_size": 64, "embed_dim": 16, "depth": 6, "num_heads": 2}
PAPER: dict[str, Any] = {
    "num_classes": 19,
    "encoder": "vit_large_patch16_384",
    "encoder_options": {"img_size": 768},
}


def tiny(**options: Any) -> SETR:
    given = {"num_classes": 3, "channels": 8, "encoder": "vit_tiny_patch16_224", **options}
    model = build_model("setr", encoder_options={**TINY, **given.pop("encoder_options", {})}, **given)
    assert isinstance(model, SETR)
    return model


class TestNaive(ModelContract):
    name = "setr"
    encoder = "vit_tiny_patch16_224"
    options: ClassVar[dict[str, Any]] = {"decoder": "naive", "channels": 16, "encoder_options": TINY}
    stride = 16
    parameters = 33_824
    published = Published(
        arguments={**PAPER, "decoder": "naive"}, ours=306_536_524, millions=305.67, source="table 2"
    )


class TestProgressive(ModelContract):
    name = "setr"
    encoder = "vit_tiny_patch16_224"
    options: ClassVar[dict[str, Any]] = {"channels": 16, "encoder_options": TINY}
    stride = 2
    parameters = 51_460
    published = Published(arguments=PAPER, ours=319_062_879, millions=318.31, source="table 2")


class TestAggregating(ModelContract):
    name = "setr"
    encoder = "vit_tiny_patch16_224"
    options: ClassVar[dict[str, Any]] = {
        "decoder": "mla",
        "channels": 16,
        "encoder_options": TINY,
        "align_corners": True,
    }
    stride = 4
    parameters = 51_348
    published = Published(
        arguments={**PAPER, "decoder": "mla"}, ours=310_756_883, millions=310.57, source="table 2"
    )


class TestOnRegistersAndPatchesOf14(ModelContract):
    name = "setr"
    encoder = "vit_small_patch14_reg4_dinov2"
    options: ClassVar[dict[str, Any]] = {
        "decoder": "naive",
        "channels": 16,
        "encoder_options": {**TINY, "img_size": 70},
    }
    stride = 14
    parameters = 31_328


@pytest.mark.parametrize(
    ("decoder", "layers", "auxiliary"),
    [("naive", [24], [10, 15, 20]), ("pup", [24], [10, 15, 20, 24]), ("mla", [6, 12, 18, 24], [])],
)
def test_setr__reads_the_layers_of_the_paper(decoder: str, layers: list[int], auxiliary: list[int]) -> None:
    model = tiny(decoder=decoder, encoder_options={"depth": 24})
    assert [block + 1 for block in model.layers] == layers
    assert [block + 1 for block in model.auxiliary_layers] == auxiliary


@pytest.mark.parametrize(("decoder", "heads"), [("naive", 3), ("pup", 4), ("mla", 4)])
def test_setr__auxiliary_heads_are_those_of_the_paper(decoder: str, heads: int) -> None:
    outputs = tiny(decoder=decoder, encoder_options={"depth": 12})(images(2, 3, 64, 96)).auxiliary
    assert [(output.stride, output.weight) for output in outputs] == [(16, 0.4)] * heads
    bare = tiny(decoder=decoder, auxiliary=False)
    assert bare(images(2, 3, 64, 96)).auxiliary == ()
    assert not any(name.startswith("auxiliary") for name, _ in bare.named_parameters())


def test_setr__auxiliary_heads_see_their_own_layers() -> None:
    model = tiny(decoder="naive", encoder_options={"depth": 12})
    assert model.auxiliary_layers == [4, 7, 9]
    for head in model.auxiliary_heads:
        head.eval()
    image = images(2, 3, 64, 96)
    before = [output.logits for output in model(image).auxiliary]
    with torch.no_grad():
        for parameter in model.encoder.body.blocks[8].parameters():
            parameter.add_(0.1)
    after = [output.logits for output in model(image).auxiliary]
    same = [torch.equal(one, other) for one, other in zip(before, after, strict=True)]
    assert same == [True, True, False]


def test_setr__streams_get_what_deeper_ones_say() -> None:
    """One-hot inputs show who sees whom: stream i sees map j where j is as deep or deeper."""
    aggregation = Aggregation(4, 4, streams=4).eval()
    for name, weight in aggregation.named_parameters():
        if name.endswith(".0.weight"):
            nn.init.dirac_(weight)
    maps = [torch.eye(4)[i].view(1, 4, 1, 1) for i in range(4)]
    with torch.no_grad():
        seen = torch.stack([stream.flatten() for stream in aggregation(maps)])
    torch.testing.assert_close(seen, torch.ones(4, 4).triu(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("decoder", ["pup", "mla"])
def test_setr__align_corners_reaches_inner_widenings_and_outputs(decoder: str) -> None:
    image = images(2, 3, 64, 96)
    torch.manual_seed(0)
    model = tiny(decoder=decoder)
    torch.manual_seed(0)
    aligned = tiny(decoder=decoder, align_corners=True)
    prediction = aligned(image)
    assert prediction.align_corners
    assert all(output.align_corners for output in prediction.auxiliary)
    assert not torch.allclose(model(image).logits, prediction.logits)


def test_setr__has_no_weights_beyond_the_last_layer_it_reads() -> None:
    model = tiny()
    assert not any(name.startswith("encoder.body.norm.") for name, _ in model.named_parameters())


def test_setr__refuses_patches_that_give_no_whole_stride() -> None:
    for decoder, times in (("pup", 8), ("mla", 4)):
        with pytest.raises(
            RequestError, match=f"widens patches {times} times, and the encoder's have 14 pixels"
        ):
            tiny(decoder=decoder, encoder_options={"patch_size": 14, "img_size": 70})


def test_setr__refuses_too_shallow_an_encoder() -> None:
    with pytest.raises(RequestError, match="'mla' reads 4 layers, and the encoder has 3 blocks only"):
        tiny(decoder="mla", encoder_options={"depth": 3})
