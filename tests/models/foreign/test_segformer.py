"""SegFormers of transformers and segmentation_models_pytorch, taken over with the same numbers out."""

from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional as F

from terrazzo.core.errors import RequestError
from terrazzo.models.base import SegmentationModel
from terrazzo.models.foreign import from_module
from terrazzo.models.foreign.modules.transformers_segformer import closest_mit, translate_segformer
from terrazzo.models.foreign.translation import assemble
from tests.models.foreign.peers import assert_close, draw

IMAGE = torch.randint(256, (2, 3, 64, 96), generator=torch.Generator().manual_seed(3), dtype=torch.uint8)
SMALL: dict[str, Any] = {
    "depths": [1, 2, 1, 1],
    "hidden_sizes": [8, 16, 24, 32],
    "num_attention_heads": [1, 2, 3, 4],
    "mlp_ratios": [4, 3, 2, 2],
    "sr_ratios": [8, 4, 2, 1],
    "decoder_hidden_size": 16,
    "num_labels": 5,
}


def transformers_segformer(**changes: Any) -> nn.Module:
    config = transformers.SegformerConfig(**{**SMALL, **changes})
    return draw(transformers.SegformerForSemanticSegmentation(config))


def smp_segformer(encoder: str, **changes: Any) -> nn.Module:
    return draw(smp.Segformer(encoder, encoder_weights=None, classes=5, **changes))


def assert_same_at_stride_4(model: SegmentationModel, peer: nn.Module) -> None:
    with torch.no_grad():
        prediction = model(IMAGE)
        expected = peer(model.normalize(IMAGE)).logits
    assert_close(prediction.logits, expected)
    assert_close(prediction.full_size(), F.interpolate(expected, (64, 96), mode="bilinear"))


@pytest.mark.parametrize(
    ("changes", "encoder"),
    [
        ({}, "mit_b0"),
        ({"hidden_sizes": [32, 64, 160, 256], "num_attention_heads": [1, 2, 5, 8]}, "mit_b0"),
        ({"hidden_sizes": [64, 128, 320, 512], "num_attention_heads": [1, 2, 5, 8]}, "mit_b1"),
        ({"sr_ratios": [4, 2, 1, 1], "drop_path_rate": 0.2, "classifier_dropout_prob": 0.3}, "mit_b0"),
    ],
)
def test_transformers__equals_ours(changes: dict[str, Any], encoder: str) -> None:
    peer = transformers_segformer(**changes)
    model = from_module(peer)
    assert (model.architecture, model.arguments["encoder"]) == ("segformer", encoder)
    assert_same_at_stride_4(model, peer)


def test_transformers__a_published_size_needs_no_options_but_the_epsilon() -> None:
    peer = draw(transformers.SegformerForSemanticSegmentation(transformers.SegformerConfig()))
    model = from_module(peer)
    assert model.arguments["encoder"] == "mit_b0"
    assert model.arguments["encoder_options"] == {"norm_eps": 1e-5}
    body: Any = model.encoder.body  # type: ignore[union-attr]
    assert {norm.eps for norm in body.modules() if isinstance(norm, nn.LayerNorm)} == {1e-5}
    assert_same_at_stride_4(model, peer)


def test_transformers__any_number_of_channels() -> None:
    peer = transformers_segformer(num_channels=4)
    model = from_module(peer)
    image = torch.randint(256, (1, 4, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        assert_close(model(image).logits, peer(model.normalize(image)).logits)


class FormerNames(nn.Module):
    """A SegFormer whose tensors have the names that earlier versions gave them."""

    def __init__(self, peer: Any) -> None:
        super().__init__()
        self.peer = peer
        self.config = peer.config

    def state_dict(self, *_: Any, **__: Any) -> dict[str, Tensor]:  # type: ignore[override]
        return {self._former(name): tensor for name, tensor in self.peer.state_dict().items()}

    @staticmethod
    def _former(name: str) -> str:
        pairs = [
            (".layernorm_before.", ".layer_norm_1."),
            (".layernorm_after.", ".layer_norm_2."),
            (".q_proj.", ".self.query."),
            (".k_proj.", ".self.key."),
            (".v_proj.", ".self.value."),
            (".sequence_reduction.sequence_reduction.", ".self.sr."),
            (".sequence_reduction.layer_norm.", ".self.layer_norm."),
            (".o_proj.", ".output.dense."),
            (".mlp.fc", ".mlp.dense"),
            ("decode_head.linear_projections.", "decode_head.linear_c."),
        ]
        for now, before in pairs:
            name = name.replace(now, before)
        head, _, rest = name.partition("segformer.stages.")
        if head:
            return name
        stage, part, tail = rest.split(".", 2)
        return f"segformer.encoder.{part.replace('blocks', 'block')}.{stage}.{tail}"


def test_transformers__names_of_earlier_versions_are_known() -> None:
    peer = transformers_segformer()
    former = FormerNames(peer)
    names = former.state_dict()
    for expected in (
        "segformer.encoder.patch_embeddings.1.layer_norm.weight",
        "segformer.encoder.block.1.0.layer_norm_1.weight",
        "segformer.encoder.block.1.1.attention.self.value.bias",
        "segformer.encoder.block.1.0.attention.self.sr.weight",
        "segformer.encoder.block.1.0.attention.self.layer_norm.weight",
        "segformer.encoder.block.3.0.attention.output.dense.weight",
        "segformer.encoder.block.0.0.mlp.dwconv.dwconv.weight",
        "segformer.encoder.layer_norm.2.bias",
        "decode_head.linear_c.0.proj.weight",
    ):
        assert expected in names
    assert_same_at_stride_4(assemble(translate_segformer(former)), peer)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"hidden_act": "relu"}, "has hidden_act = 'relu'; our Mix Transformer has 'gelu'"),
        ({"patch_sizes": [7, 5, 3, 3]}, r"patch_sizes = \[7, 5, 3, 3\]"),
        ({"strides": [2, 2, 2, 2]}, r"strides = \[2, 2, 2, 2\]"),
        ({"num_encoder_blocks": 3}, "num_encoder_blocks = 3"),
    ],
)
def test_transformers__refuses_what_a_mit_is_not(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        from_module(transformers_segformer(**changes))


def test_transformers__refuses_other_epsilons() -> None:
    peer: Any = transformers_segformer()
    peer.segformer.stages[0].layer_norm.eps = 1e-3
    with pytest.raises(RequestError, match=r"epsilons \[1e-05, 0.001\]; expected 1e-05"):
        from_module(peer)


def test_transformers__a_tensor_without_a_place_is_named() -> None:
    peer: Any = transformers_segformer()
    peer.decode_head.extra = nn.Conv2d(2, 2, 1)
    with pytest.raises(RequestError, match=r"Left over: decode_head.extra.weight, decode_head.extra.bias"):
        from_module(peer)


def test_closest_mit__finds_the_size() -> None:
    options = {"depths": [3, 4, 18, 3], "embed_dims": [64, 128, 320, 512], "proj_drop_rate": 0.0}
    assert closest_mit(options) == ("mit_b3", {})
    assert closest_mit({**options, "proj_drop_rate": 0.1}) == ("mit_b3", {"proj_drop_rate": 0.1})


@pytest.mark.parametrize(
    ("encoder", "changes", "ours"),
    [
        ("mit_b0", {"decoder_segmentation_channels": 24}, "mit_b0"),
        ("mit_b0", {"encoder_depth": 4, "decoder_segmentation_channels": 24}, "mit_b0"),
        ("resnet18", {"decoder_segmentation_channels": 24}, "resnet18"),
        ("resnet18", {"encoder_depth": 4, "in_channels": 3}, "resnet18"),
        ("tu-resnet10t", {"decoder_segmentation_channels": 24}, "resnet10t"),
        ("tu-convnext_atto", {"decoder_segmentation_channels": 24}, "convnext_atto"),
    ],
)
def test_smp__equals_ours(encoder: str, changes: dict[str, Any], ours: str) -> None:
    peer = smp_segformer(encoder, **changes)
    model = from_module(peer)
    assert (model.architecture, model.arguments["encoder"]) == ("segformer", ours)
    with torch.no_grad():
        assert_close(model(IMAGE).full_size(), peer(model.normalize(IMAGE)))


def test_smp__a_published_mit_needs_no_options() -> None:
    assert from_module(smp_segformer("mit_b1")).arguments["encoder_options"] == {}


def test_smp__refuses_other_encoders_sizes_and_activations() -> None:
    with pytest.raises(RequestError, match="upsampling = 2, so its masks are not of the image's size"):
        from_module(smp_segformer("mit_b0", upsampling=2))
    with pytest.raises(RequestError, match="upsampling = 1, so"):
        from_module(smp_segformer("mit_b0", upsampling=1))
    with pytest.raises(RequestError, match="ends in Sigmoid"):
        from_module(smp_segformer("mit_b0", activation="sigmoid"))
    with pytest.raises(RequestError, match="'vgg11'"):
        from_module(smp_segformer("vgg11"))
