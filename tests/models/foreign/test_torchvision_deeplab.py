"""torchvision's DeepLabV3 as ours: the same masks."""

from typing import Any

import pytest
import torch
from torch import nn
from torchvision.models import resnet50
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.segmentation import (
    DeepLabV3,
    deeplabv3_mobilenet_v3_large,
    deeplabv3_resnet50,
    deeplabv3_resnet101,
)
from torchvision.models.segmentation.deeplabv3 import DeepLabHead

from terrazzo.core.errors import RequestError
from terrazzo.models.foreign import from_module
from tests.models.contract import images
from tests.models.foreign.drawn import drawn_state

SIZE = (64, 320)
"""40 features wide at stride 8, so that the rate of 36 has taps on both sides."""


def drawn(module: nn.Module) -> Any:
    """Return the module in eval mode, every weight and statistic drawn."""
    module.load_state_dict(drawn_state({name: value.shape for name, value in module.state_dict().items()}))
    return module.eval()


def assert_same_masks(module: Any, size: tuple[int, int] = SIZE) -> None:
    ours = from_module(module)
    image = images(1, 3, *size)
    with torch.no_grad():
        expected = module(ours.normalize(image))["out"]
        given = ours(image).full_size()
    assert given.shape == expected.shape
    assert (given - expected).abs().max() < 1e-4 * expected.abs().max()


@pytest.mark.parametrize("auxiliary", [False, True])
def test_torchvision_deeplabv3__gives_the_same_masks(auxiliary: bool) -> None:
    module = deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=7, aux_loss=auxiliary)
    assert_same_masks(drawn(module))


def test_torchvision_deeplabv3__resnet101_gives_the_same_masks() -> None:
    module = deeplabv3_resnet101(weights=None, weights_backbone=None, num_classes=3, aux_loss=True)
    assert_same_masks(drawn(module), (64, 96))


def test_torchvision_deeplabv3__stride_16_and_other_rates_give_the_same_masks() -> None:
    backbone = IntermediateLayerGetter(
        resnet50(weights=None, replace_stride_with_dilation=[False, False, True]), {"layer4": "out"}
    )
    assert_same_masks(drawn(DeepLabV3(backbone, DeepLabHead(2048, 3, (1, 2, 3, 4)))), (64, 96))


def test_torchvision_deeplabv3__auxiliary_head_gives_the_same_logits() -> None:
    module = drawn(deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=3, aux_loss=True))
    ours = from_module(module)
    image = ours.normalize(images(1, 3, 64, 96))
    with torch.no_grad():
        levels = ours.get_submodule("encoder")(image)
        given = ours.get_submodule("auxiliary")(levels[-2])
        expected = module.aux_classifier(module.backbone(image)["aux"])
    assert (given - expected).abs().max() < 1e-4 * expected.abs().max()


def test_torchvision_deeplabv3__options_are_taken_over() -> None:
    module = deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=3)
    arguments = from_module(module).arguments
    assert arguments["rates"] == [12, 24, 36]
    assert (arguments["auxiliary"], arguments["dropout"]) == (False, 0.5)
    assert arguments["encoder_options"] == {"output_stride": 8}


def test_torchvision_deeplabv3__refuses_what_has_no_place() -> None:
    mobile = deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=3)
    with pytest.raises(RequestError, match=r"torchvision DeepLabV3 with heads on .*'16': 'out'"):
        from_module(mobile)
    module = deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=3)
    module.classifier = nn.Sequential(*module.classifier)
    with pytest.raises(RequestError, match="with a Sequential: only a DeepLabHead has a place"):
        from_module(module)
