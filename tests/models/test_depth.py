"""Layers of encoders, as timm groups them."""

from typing import Any

import pytest
import torch

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from terrazzo.models.base import SegmentationModel
from terrazzo.models.depth import encoder_depths


def layers(kind: str, encoder: str, **options: Any) -> tuple[SegmentationModel, dict[str, int]]:
    with torch.device("meta"):
        model = build_model(kind, num_classes=3, encoder=encoder, **options)
    depths = encoder_depths(model)
    names = {name: depths[id(p)] for name, p in model.named_parameters() if id(p) in depths}
    assert set(names) == {name for name, _ in model.named_parameters() if name.startswith("encoder.")}
    return model, names


def test_encoder_depths__of_a_plain_transformer_are_stem_and_blocks() -> None:
    options = {"img_size": 64, "embed_dim": 32, "depth": 3, "num_heads": 2}
    _, names = layers("eomt", "vit_tiny_patch16_224", encoder_options=options, query_blocks=1)
    assert names["encoder.body.pos_embed"] == names["encoder.body.patch_embed.proj.weight"] == 0
    assert [names[f"encoder.body.blocks.{i}.attn.qkv.weight"] for i in range(3)] == [1, 2, 3]
    assert names["encoder.body.norm.weight"] == 3


def test_encoder_depths__of_a_pyramid_come_from_the_whole_network() -> None:
    _, names = layers("upernet", "swin_tiny_patch4_window7_224", encoder_options={"depths": (1, 1, 2, 1)})
    assert names["encoder.body.patch_embed.proj.weight"] == 0
    third = [names[f"encoder.body.layers_2.blocks.{i}.attn.qkv.weight"] for i in range(2)]
    assert third[1] == third[0] + 1
    assert sorted(set(names.values())) == list(range(6))


@pytest.mark.parametrize("encoder", ["mit_b0", "resnet10t", "convnext_atto", "mobilenetv3_small_100"])
def test_encoder_depths__rise_without_gaps_in_other_pyramids(encoder: str) -> None:
    _, names = layers("segformer", encoder)
    assert sorted(set(names.values())) == list(range(max(names.values()) + 1))
    assert next(iter(names.values())) == 0


def test_encoder_depths__take_the_encoders_own_options() -> None:
    options = {"out_indices": (0, 1, 2, 3), "output_stride": 16, "dilate_first": True}
    layers("fpn", "resnet18", encoder_options=options)


@pytest.mark.parametrize("kind", ["unet", "icnet", "enet"])
def test_encoder_depths__need_an_encoder_of_timm(kind: str) -> None:
    with torch.device("meta"):
        model = build_model(kind, num_classes=3)
    with pytest.raises(RequestError, match=f"needs an encoder of timm that is kept whole; '{kind}' has none"):
        encoder_depths(model)


def test_encoder_depths__need_layers_that_timm_tells() -> None:
    with torch.device("meta"):
        model = build_model("fpn", num_classes=3, encoder="caformer_s18")
    with pytest.raises(RequestError, match="timm does not say how the encoder 'caformer_s18' divides"):
        encoder_depths(model)
