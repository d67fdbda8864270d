"""Networks of segmentation_models_pytorch, translated: equal number by number, or refused clearly."""

from types import SimpleNamespace
from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
from segmentation_models_pytorch.encoders import get_encoder
from torch import Tensor, nn

from terrazzo.core.errors import RequestError
from terrazzo.models.base import SegmentationModel
from terrazzo.models.encoder import build_encoder
from terrazzo.models.foreign import from_module
from terrazzo.models.foreign.modules.smp_encoder import smp_encoder
from tests.models.foreign.drawn import drawn_state

SHALLOW: dict[str, Any] = {"encoder_depth": 4, "decoder_channels": (64, 32, 16, 8)}
TINY: dict[str, Any] = {"channels": [8, 16, 32, 64]}
ALL = ["Unet", "UnetPlusPlus", "Linknet", "FPN"]


def peer(kind: str, encoder: str = "tu-resnet10t", **options: Any) -> Any:
    """Return one of theirs with drawn weights and statistics, in eval mode."""
    module = getattr(smp, kind)(encoder, encoder_weights=None, **options)
    shapes = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    nn.Module.load_state_dict(module, drawn_state(shapes))
    return module.eval()


def difference(ours: SegmentationModel, theirs: nn.Module, size: tuple[int, int] = (64, 96)) -> float:
    """Return the largest difference of full-size logits, relative to the largest logit."""
    generator = torch.Generator().manual_seed(3)
    image = torch.randint(256, (2, ours.in_channels, *size), generator=generator, dtype=torch.uint8)
    with torch.no_grad():
        answer: Tensor | tuple[Tensor, Tensor] = theirs(ours.normalize(image))
        logits = ours(image).full_size()
    expected = answer[0] if isinstance(answer, tuple) else answer
    assert expected.std(dim=(0, 2, 3)).min() > 1e-3 * expected.abs().max()  # the image is seen at all
    return float((logits - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("size", [(64, 96), (160, 64)])
def test_resnet18__equals_theirs(kind: str, size: tuple[int, int]) -> None:
    theirs = peer(kind, "resnet18", classes=11)
    ours = from_module(theirs)
    assert (ours.num_classes, ours.training) == (11, False)
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())
    assert difference(ours, theirs, size) < 1e-4


@pytest.mark.parametrize("kind", ALL)
def test_timm_encoder__equals_theirs(kind: str) -> None:
    theirs = peer(kind, **TINY, in_channels=5, classes=3)
    ours = from_module(theirs)
    assert ours.in_channels == 5
    assert difference(ours, theirs) < 1e-4


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors:UserWarning")
@pytest.mark.parametrize("kind", ALL)
def test_encoder_without_stride_2__equals_theirs(kind: str) -> None:
    theirs = peer(kind, "tu-convnext_atto")
    assert difference(from_module(theirs), theirs) < 1e-4


@pytest.mark.parametrize("encoder", ["resnet34", "resnet50", "resnext50_32x4d"])
def test_linknet__of_other_resnets_equals_theirs(encoder: str) -> None:
    theirs = peer("Linknet", encoder)
    assert difference(from_module(theirs), theirs) < 1e-4


@pytest.mark.parametrize(
    ("kind", "options"), [("Unet", SHALLOW), ("UnetPlusPlus", SHALLOW), ("Linknet", {"encoder_depth": 3})]
)
@pytest.mark.parametrize("encoder", ["resnet18", "tu-resnet10t"])
def test_shallow_encoder__equals_theirs(kind: str, options: dict[str, Any], encoder: str) -> None:
    theirs = peer(kind, encoder, **options)
    ours = from_module(theirs)
    assert ours.multiple == 2 ** options["encoder_depth"]
    assert difference(ours, theirs) < 1e-4


def test_dilated_timm_encoder__equals_theirs() -> None:
    theirs = peer("Unet", **TINY, output_stride=16)
    ours = from_module(theirs)
    assert ours.multiple == 16
    assert difference(ours, theirs) < 1e-4


def test_unet__of_other_widths_equals_theirs() -> None:
    theirs = peer("Unet", **TINY, decoder_channels=(40, 30, 20, 10, 6))
    assert difference(from_module(theirs), theirs) < 1e-4


def test_unet_plus_plus__of_other_widths_equals_theirs() -> None:
    theirs = peer("UnetPlusPlus", **TINY, decoder_channels=(40, 30, 20, 10, 6))
    assert difference(from_module(theirs), theirs) < 1e-4


def test_fpn__of_other_widths_equals_theirs() -> None:
    options: dict[str, Any] = {
        "decoder_pyramid_channels": 48,
        "decoder_segmentation_channels": 32,
        "decoder_dropout": 0.5,
    }
    theirs = peer("FPN", **TINY, **options)
    ours = from_module(theirs)
    assert difference(ours, theirs) < 1e-4
    assert ours.arguments["dropout"] == 0.5


@pytest.mark.parametrize("kind", ALL)
def test_classification_head__is_left_out(kind: str) -> None:
    theirs = peer(kind, **TINY, aux_params={"classes": 3})
    assert difference(from_module(theirs), theirs) < 1e-4


def test_translated_network__takes_raw_images() -> None:
    theirs = peer("Unet", **TINY)
    image = torch.randint(256, (1, 3, 64, 64), dtype=torch.uint8)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normal = (image / 255 - mean.view(-1, 1, 1)) / std.view(-1, 1, 1)
    with torch.no_grad():
        torch.testing.assert_close(from_module(theirs)(image).logits, theirs(normal), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "name",
    [
        *["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"],
        *["resnext50_32x4d", "resnext101_32x4d", "resnext101_32x8d", "resnext101_32x16d"],
        *["resnext101_32x32d", "resnext101_32x48d"],
        *["tu-regnetx_002", "tu-dla34", "tu-efficientnet_b0", "tu-pvt_v2_b0"],
    ],
)
def test_smp_encoder__names_timms_network(name: str) -> None:
    with torch.device("meta"):
        encoder = get_encoder(name)
        found = smp_encoder(SimpleNamespace(encoder=encoder, name=name))
        ours = build_encoder(found.name, in_channels=found.in_channels, options=found.options)
    theirs = {key.removeprefix("model."): value.shape for key, value in encoder.state_dict().items()}
    assert {key: value.shape for key, value in ours.body.state_dict().items()} == theirs


@pytest.mark.parametrize(
    ("kind", "options", "sentence"),
    [
        (
            "Unet",
            {"encoder_name": "vgg11"},
            "The encoder of this Unet is 'vgg11', which .* otherwise than timm",
        ),
        ("Unet", {"encoder_name": "tu-vgg11"}, "The encoder of this Unet is 'tu-vgg11'"),
        ("Linknet", {"encoder_name": "mobilenet_v2"}, "The encoder of this Linknet is 'mobilenet_v2'"),
        (
            "Unet",
            {"encoder_name": "resnet18", "output_stride": 16},
            "has output stride 16, by dilating other",
        ),
        ("Unet", {"activation": "softmax2d"}, "Unet ends in Softmax; our networks return logits"),
        ("FPN", {"activation": "sigmoid"}, "FPN ends in Sigmoid; our networks return logits"),
        ("Unet", {"decoder_attention_type": "scse"}, r"decoder of this Unet has attention \(SCSEModule\)"),
        ("UnetPlusPlus", {"decoder_attention_type": "scse"}, "decoder of this UnetPlusPlus has attention"),
        ("Unet", {"decoder_use_norm": False}, "Unet has decoder_use_norm = False; ours has batch norm"),
        ("UnetPlusPlus", {"decoder_use_norm": "layernorm"}, "decoder_use_norm = 'layernorm'"),
        ("Linknet", {"decoder_use_norm": {"type": "batchnorm", "eps": 1e-3}}, "'eps': 0.001"),
        ("Unet", {"decoder_interpolation": "bilinear"}, "Unet has decoder_interpolation='bilinear'"),
        ("UnetPlusPlus", {"decoder_interpolation": "bilinear"}, "decoder_interpolation='bilinear'"),
        ("FPN", {"decoder_interpolation": "bilinear"}, "FPN has decoder_interpolation='bilinear'"),
        (
            "FPN",
            {"decoder_merge_policy": "cat"},
            "decoder_merge_policy='cat', encoder_depth=5 and upsampling=4",
        ),
        ("FPN", {"upsampling": 1}, "decoder_merge_policy='add', encoder_depth=5 and upsampling=1"),
        (
            "FPN",
            {"encoder_depth": 4},
            "encoder_depth=4 and upsampling=4; ours is the one with 'add', 5 and 4",
        ),
    ],
)
def test_refusal__says_what_ours_lacks(kind: str, options: dict[str, Any], sentence: str) -> None:
    with torch.device("meta"):
        module = getattr(smp, kind)(**{"encoder_name": "resnet18", "encoder_weights": None} | options)
    with pytest.raises(RequestError, match=sentence):
        from_module(module)


def test_key_that_does_not_fit__is_named() -> None:
    theirs = peer("Unet", **TINY)
    theirs.decoder.blocks[0].conv1.gate = nn.Linear(2, 2)
    with pytest.raises(RequestError, match=r"Left over: decoder\.0\.conv1\.gate\.weight, decoder\.0\.conv1"):
        from_module(theirs)
