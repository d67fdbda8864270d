"""PSPNet, DeepLabV3 and DeepLabV3Plus of segmentation_models_pytorch, as ours: the same masks."""

import json
from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from terrazzo.models.base import SegmentationModel
from terrazzo.models.foreign import from_module
from tests.models.foreign.drawn import drawn_state

TALL = 64
FEATURES_WIDE = 40
"""So many features side by side that every default rate, up to 36, has taps on both."""


def peer(kind: str, encoder: str = "resnet18", **options: Any) -> Any:
    """Return a network of theirs with every weight and statistic drawn."""
    module = getattr(smp, kind)(encoder, encoder_weights=None, classes=5, **options).eval()
    module.load_state_dict(drawn_state({name: value.shape for name, value in module.state_dict().items()}))
    return module


def difference(module: Any, ours: SegmentationModel, size: tuple[int, int]) -> float:
    """Return the largest difference of full-size logits, relative to the largest logit."""
    generator = torch.Generator().manual_seed(1)
    image = torch.randint(256, (2, ours.in_channels, *size), generator=generator, dtype=torch.uint8)
    with torch.no_grad():
        expected = module(ours.normalize(image))
        given = ours(image).full_size()
    assert given.shape == expected.shape
    return float((given - expected).abs().max() / expected.abs().max())


PSPNETS: dict[str, dict[str, Any]] = {
    "default": {},
    "resnext of another width": {"encoder": "resnext50_32x4d", "psp_out_channels": 40},
    "four stages": {"encoder_depth": 4, "upsampling": 16},
    "all stages": {"encoder_depth": 5, "upsampling": 32},
    "dilated": {"encoder_depth": 5, "output_stride": 8},
    "no norm": {"decoder_use_norm": False},
    "grey": {"in_channels": 1},
    "timm": {"encoder": "tu-resnet18"},
}


@pytest.mark.parametrize("options", PSPNETS.values(), ids=PSPNETS)
def test_smp_pspnet__gives_the_same_masks(options: dict[str, Any]) -> None:
    module = peer("PSPNet", **options)
    ours = from_module(module)
    assert ours.architecture == "pspnet"
    assert difference(module, ours, (64, 96)) < 1e-4


THIN: dict[str, Any] = {"decoder_channels": 24}
DEEPLABS: dict[str, tuple[str, dict[str, Any]]] = {
    "v3": ("DeepLabV3", {}),
    "v3, stride 16": ("DeepLabV3", {"encoder_output_stride": 16, **THIN}),
    "v3, bottlenecks": ("DeepLabV3", {"encoder": "resnext50_32x4d", **THIN}),
    "v3, three stages": ("DeepLabV3", {"encoder_depth": 3, **THIN}),
    "v3, four stages": ("DeepLabV3", {"encoder_depth": 4, **THIN}),
    "v3, other rates": ("DeepLabV3", {"decoder_atrous_rates": (2, 5, 11), **THIN}),
    "v3, separable": ("DeepLabV3", {"decoder_aspp_separable": True, **THIN}),
    "v3, timm": ("DeepLabV3", {"encoder": "tu-resnet18", **THIN}),
    "v3+": ("DeepLabV3Plus", {}),
    "v3+, stride 8": ("DeepLabV3Plus", {"encoder_output_stride": 8, **THIN}),
    "v3+, three stages": ("DeepLabV3Plus", {"encoder_depth": 3, **THIN}),
    "v3+, four stages": ("DeepLabV3Plus", {"encoder_depth": 4, "in_channels": 2, **THIN}),
    "v3+, dense ASPP": ("DeepLabV3Plus", {"decoder_aspp_separable": False, **THIN}),
    "v3+, timm": ("DeepLabV3Plus", {"encoder": "tu-resnet18", **THIN}),
}


@pytest.mark.parametrize(("kind", "options"), DEEPLABS.values(), ids=DEEPLABS)
def test_smp_deeplab__gives_the_same_masks(kind: str, options: dict[str, Any]) -> None:
    module = peer(kind, **options)
    ours = from_module(module)
    assert ours.architecture == kind.lower()
    assert difference(module, ours, (TALL, FEATURES_WIDE * module.encoder.output_stride)) < 1e-4


def test_smp_deeplab__survives_rebuilding() -> None:
    """The dilation of the first blocks is part of the arguments, as plain as JSON."""
    module = peer("DeepLabV3", **THIN)
    ours = from_module(module)
    again = build_model(ours.architecture, **json.loads(json.dumps(ours.arguments))).eval()
    again.load_state_dict(ours.state_dict())
    assert difference(module, again, (64, 96)) < 1e-4
    assert ours.arguments["encoder_options"] == {"output_stride": 8, "dilate_first": True}
    assert ours.arguments["rates"] == [12, 24, 36]


def test_smp_deeplab__options_for_training_are_taken_over() -> None:
    ours = from_module(peer("DeepLabV3Plus", decoder_aspp_dropout=0.3, **THIN))
    assert ours.get_submodule("aspp.dropout").p == 0.3
    ours = from_module(peer("PSPNet", psp_dropout=0.4))
    assert ours.get_submodule("dropout").p == 0.4


@pytest.mark.parametrize("kind", ["PSPNet", "DeepLabV3", "DeepLabV3Plus"])
def test_smp__classification_heads_are_left_out(kind: str) -> None:
    module = peer(kind, aux_params={"classes": 3})
    ours = from_module(module)
    module.classification_head = None
    assert difference(module, ours, (64, 96)) < 1e-4


@pytest.mark.parametrize("kind", ["PSPNet", "DeepLabV3", "DeepLabV3Plus"])
def test_smp__refuses_masks_of_another_size(kind: str) -> None:
    with pytest.raises(RequestError, match=rf"This {kind} has upsampling = 2 at stride [48], so its masks"):
        from_module(peer(kind, upsampling=2))


def test_smp_pspnet__refuses_other_norms() -> None:
    norm = {"type": "instancenorm", "affine": True}
    module = smp.PSPNet("resnet18", encoder_weights=None, decoder_use_norm=norm)
    with pytest.raises(RequestError, match=r"decoder_use_norm = \{'type': 'instancenorm'"):
        from_module(module)


def test_smp__names_a_tensor_without_a_place() -> None:
    module = peer("DeepLabV3", **THIN)
    module.decoder.register_parameter("wing", nn.Parameter(torch.zeros(1)))
    with pytest.raises(RequestError, match=r"Left over: decoder\.wing\."):
        from_module(module)
