"""UPerNets of transformers and segmentation_models_pytorch, taken over with the same numbers out."""

from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
import transformers
from torch import Tensor, nn

from terrazzo.core.errors import RequestError
from terrazzo.models.foreign import from_module
from terrazzo.models.foreign.modules.transformers_upernet import translate_upernet
from tests.models.foreign.peers import assert_close, draw

IMAGE = torch.randint(256, (2, 3, 64, 96), generator=torch.Generator().manual_seed(4), dtype=torch.uint8)
STAGES = ["stage1", "stage2", "stage3", "stage4"]
SMALL: dict[str, Any] = {
    "depths": [1, 2, 1, 1],
    "hidden_sizes": [8, 16, 24, 32],
    "out_features": STAGES,
}


def transformers_upernet(backbone: dict[str, Any] | None = None, **changes: Any) -> nn.Module:
    convnext = transformers.ConvNextConfig(**{**SMALL, **(backbone or {})})
    options = {"hidden_size": 16, "auxiliary_channels": 12, "num_labels": 5, **changes}
    config = transformers.UperNetConfig(backbone_config=convnext, **options)
    return draw(transformers.UperNetForSemanticSegmentation(config))


def smp_upernet(encoder: str, **changes: Any) -> nn.Module:
    options = {"decoder_channels": 24, **changes}
    return draw(smp.UPerNet(encoder, encoder_weights=None, classes=5, **options))


@pytest.mark.parametrize(
    ("backbone", "changes", "options"),
    [
        ({}, {}, {"depths": [1, 2, 1, 1], "dims": [8, 16, 24, 32]}),
        ({"drop_path_rate": 0.3}, {"pool_scales": [1, 2, 4]}, {"drop_path_rate": 0.3}),
        ({"layer_scale_init_value": 0.0}, {"use_auxiliary_head": False}, {}),
        ({"num_channels": 3}, {"auxiliary_in_channels": 24}, {}),
    ],
)
def test_transformers__equals_ours(
    backbone: dict[str, Any], changes: dict[str, Any], options: dict[str, Any]
) -> None:
    peer = transformers_upernet(backbone, **changes)
    model = from_module(peer)
    assert (model.architecture, model.arguments["encoder"]) == ("upernet", "convnext_tiny")
    assert options.items() <= model.arguments["encoder_options"].items()
    with torch.no_grad():
        assert_close(model(IMAGE).full_size(), peer(model.normalize(IMAGE)).logits)


def test_transformers__the_second_head_equals_ours() -> None:
    peer: Any = transformers_upernet()
    model: Any = from_module(peer)
    given: list[Tensor] = []
    peer.auxiliary_head.register_forward_hook(lambda _module, _inputs, output: given.append(output))
    with torch.no_grad():
        peer(model.normalize(IMAGE))
        model.training = True  # the outputs of training, with the norms of evaluation
        (auxiliary,) = model(IMAGE).auxiliary
    assert_close(auxiliary.logits, given[0])


def test_transformers__a_published_size_needs_no_options() -> None:
    base: dict[str, Any] = {
        "depths": [3, 3, 27, 3],
        "hidden_sizes": [128, 256, 512, 1024],
        "out_features": STAGES,
    }
    convnext = transformers.ConvNextConfig(**base)
    with torch.device("meta"):
        config = transformers.UperNetConfig(backbone_config=convnext)
        peer = transformers.UperNetForSemanticSegmentation(config)
    translation = translate_upernet(peer)
    assert translation.arguments["encoder"] == "convnext_base"
    assert translation.arguments["encoder_options"] == {}


@pytest.mark.parametrize(
    ("backbone", "changes", "sentence"),
    [
        ({}, {"auxiliary_num_convs": 2}, "has auxiliary_num_convs = 2; ours has 1 and no other"),
        ({}, {"auxiliary_concat_input": True}, "has auxiliary_concat_input = True"),
        ({"hidden_act": "relu"}, {}, "has hidden_act = 'relu'"),
        ({"patch_size": 2}, {}, "has patch_size = 2"),
        ({"out_features": STAGES[1:]}, {}, "has out_features = "),
    ],
)
def test_transformers__refuses_what_ours_is_not(
    backbone: dict[str, Any], changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(RequestError, match=sentence):
        from_module(transformers_upernet(backbone, **changes))


def test_transformers__refuses_another_backbone() -> None:
    resnet: dict[str, Any] = {
        "embedding_size": 8,
        "depths": [1] * 4,
        "hidden_sizes": [8] * 4,
        "out_features": STAGES,
    }
    backbone = transformers.ResNetConfig(**resnet)
    config = transformers.UperNetConfig(backbone_config=backbone, hidden_size=8, auxiliary_channels=8)
    with pytest.raises(RequestError, match="is a resnet; there is a translation for convnext"):
        from_module(transformers.UperNetForSemanticSegmentation(config))


def test_transformers__a_tensor_without_a_place_is_named() -> None:
    peer: Any = transformers_upernet()
    peer.decode_head.extra = nn.Conv2d(2, 2, 1)
    with pytest.raises(RequestError, match=r"Left over: decode_head.extra.weight, decode_head.extra.bias"):
        from_module(peer)


@pytest.mark.parametrize(
    ("encoder", "changes", "ours"),
    [
        ("resnet18", {}, "resnet18"),
        ("resnet18", {"encoder_depth": 4}, "resnet18"),
        ("resnet18", {"encoder_depth": 3, "in_channels": 3}, "resnet18"),
        ("resnext50_32x4d", {}, "resnext50_32x4d"),
        ("mit_b0", {}, "mit_b0"),
        ("mit_b0", {"encoder_depth": 4}, "mit_b0"),
        ("tu-convnext_atto", {}, "convnext_atto"),
    ],
)
def test_smp__equals_ours(encoder: str, changes: dict[str, Any], ours: str) -> None:
    peer = smp_upernet(encoder, **changes)
    model = from_module(peer)
    assert (model.architecture, model.arguments["encoder"]) == ("upernet", ours)
    with torch.no_grad():
        assert_close(model(IMAGE).full_size(), peer(model.normalize(IMAGE)))


def test_smp__the_classification_head_is_left_out() -> None:
    peer = smp_upernet("resnet18", aux_params={"classes": 3})
    model = from_module(peer)
    with torch.no_grad():
        assert_close(model(IMAGE).full_size(), peer(model.normalize(IMAGE))[0])


def test_smp__refuses_other_norms_and_sizes() -> None:
    with pytest.raises(RequestError, match="decoder_use_norm = False"):
        from_module(smp_upernet("resnet18", decoder_use_norm=False))
    with pytest.raises(RequestError, match="upsampling = 8, so its masks are not of the image's size"):
        from_module(smp_upernet("resnet18", upsampling=8))
