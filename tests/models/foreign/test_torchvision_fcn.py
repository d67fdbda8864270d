"""torchvision's FCN taken over: the same full-size logits, and refusals that say what is the matter."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import mobilenet_v3_small, resnet
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.segmentation import fcn, fcn_resnet50, fcn_resnet101
from torchvision.models.segmentation.fcn import FCNHead

from terrazzo.core.errors import RequestError
from terrazzo.models.fcn import FCN
from terrazzo.models.foreign import from_module
from tests.models.contract import images

CLASSES = 5
WIDTHS = {"resnet18": (256, 512), "resnext50_32x4d": (1024, 2048)}


def randomise(module: nn.Module) -> nn.Module:
    """Give every weight and running statistic a random value, so that no error hides behind a 0 or 1."""
    generator = torch.Generator().manual_seed(5)
    for name, tensor in module.state_dict().items():
        if tensor.ndim > 1:
            spread = (2 / tensor[0].numel()) ** 0.5
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * spread)
        elif tensor.is_floating_point():
            values = torch.randn(tensor.shape, generator=generator)
            around_one = name.endswith(("weight", "running_var"))
            tensor.copy_(0.5 + 0.5 * values.abs() if around_one else 0.2 * values)
    return module.eval()


def on(backbone: str, *, auxiliary: bool, **options: Any) -> nn.Module:
    """Return torchvision's FCN on one of its other residual networks."""
    layers = {"layer4": "out"} | ({"layer3": "aux"} if auxiliary else {})
    body = IntermediateLayerGetter(getattr(resnet, backbone)(weights=None, **options), layers)
    third, fourth = WIDTHS[backbone]
    second = FCNHead(third, CLASSES) if auxiliary else None
    return fcn.FCN(body, FCNHead(fourth, CLASSES), second)  # type: ignore[no-any-return]


def their_fcn(name: str) -> nn.Module:
    options: dict[str, Any] = {"weights": None, "weights_backbone": None, "num_classes": CLASSES}
    match name:
        case "resnet50":
            return fcn_resnet50(**options, aux_loss=True)  # type: ignore[no-any-return]
        case "resnet101":
            return fcn_resnet101(**options)  # type: ignore[no-any-return]
        case "resnet18":
            return on(name, auxiliary=True)
        case _:
            return on(name, auxiliary=True, replace_stride_with_dilation=[False, False, True])


def assert_near(given: Tensor, expected: Tensor) -> None:
    assert given.shape == expected.shape
    assert (given - expected).abs().max() < 1e-4 * expected.abs().max()


@pytest.mark.parametrize(
    ("name", "stride", "auxiliary"),
    [("resnet50", 8, True), ("resnet101", 8, False), ("resnet18", 32, True), ("resnext50_32x4d", 16, True)],
)
@torch.no_grad()
def test_torchvision_fcn__gives_the_same_logits(name: str, stride: int, auxiliary: bool) -> None:
    theirs = randomise(their_fcn(name))
    ours = from_module(theirs)
    assert isinstance(ours, FCN)
    assert (ours.architecture, ours.stride, ours.arguments["encoder"]) == ("fcn", stride, name)
    assert (ours.auxiliary_head is not None) == auxiliary
    image = images(2, 3, 64, 96)
    assert_near(ours(image).full_size(), theirs(ours.normalize(image))["out"])


@torch.no_grad()
def test_torchvision_fcn__trains_with_the_same_second_head() -> None:
    theirs = randomise(their_fcn("resnet50"))
    ours = from_module(theirs)
    for network in (theirs, ours):
        network.train()
        for layer in network.modules():
            if isinstance(layer, nn.Dropout):
                assert layer.p == 0.1
                layer.p = 0.0
    image = images(2, 3, 64, 96)
    expected = theirs(ours.normalize(image))
    prediction = ours(image)
    (second,) = prediction.auxiliary
    widened = nn.functional.interpolate(second.logits, size=(64, 96), mode="bilinear", align_corners=False)
    assert_near(widened, expected["aux"])
    assert_near(prediction.full_size(), expected["out"])


def test_torchvision_fcn__other_channels_and_statistics() -> None:
    theirs = their_fcn("resnet18")
    assert isinstance(theirs.backbone, nn.Module)
    theirs.backbone.conv1 = nn.Conv2d(4, 64, kernel_size=7, stride=2, padding=3, bias=False)
    ours = from_module(randomise(theirs), mean=(100.0,) * 4, std=(50.0,) * 4)
    image = images(1, 4, 64, 64)
    with torch.no_grad():
        expected = theirs((image.float() - 100) / 50)["out"]
        assert_near(ours(image).full_size(), expected)


def test_torchvision_fcn__names_what_does_not_fit() -> None:
    theirs = their_fcn("resnet18")
    assert isinstance(theirs.classifier, nn.Sequential)
    theirs.classifier.register_parameter("scale", nn.Parameter(torch.ones(1)))
    with pytest.raises(RequestError, match=r"torchvision FCN do not fit our fcn .*\n.*Left over: head.scale"):
        from_module(theirs)


def test_torchvision_fcn__refuses_other_backbones_and_heads() -> None:
    mobile = IntermediateLayerGetter(mobilenet_v3_small(weights=None).features, {"12": "out"})
    with pytest.raises(RequestError, match=r"heads on \{'12': 'out'\}: only heads on"):
        from_module(fcn.FCN(mobile, FCNHead(576, 2)))
    third = IntermediateLayerGetter(resnet.resnet18(weights=None), {"layer3": "out"})
    with pytest.raises(RequestError, match=r"on \{'layer3': 'out'\}: only heads on \{'layer4': 'out'\}"):
        from_module(fcn.FCN(third, FCNHead(256, 2)))
    with pytest.raises(RequestError, match="torchvision FCN with a Sequential: only FCNHead"):
        from_module(fcn.FCN(third, nn.Sequential(nn.Conv2d(256, 2, 1))))


def test_torchvision_fcn__refuses_dilation_that_timm_does_not_have() -> None:
    dilation = [True, False, True]
    theirs = on("resnext50_32x4d", auxiliary=False, replace_stride_with_dilation=dilation)
    with pytest.raises(RequestError, match=r"a ResNet that timm does not have: .* strides \(1, 2, 1\)"):
        from_module(theirs)
