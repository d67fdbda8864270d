"""torchvision's DeepLabV3 -> our `deeplabv3`: the same network, weight by weight.

Its ResNets are dilated as timm dilates them; its rates are (12, 24, 36) at output stride 8.
"""

from typing import Any

from terrazzo.core.errors import RequestError
from terrazzo.models.foreign.modules.aspp import aspp_arguments, aspp_rules
from terrazzo.models.foreign.modules.torchvision_resnet import encoder_of
from terrazzo.models.foreign.translation import Rule, Translation, rename

SOURCE = "torchvision DeepLabV3"

# Theirs: layers in a row. Ours: (convolution, norm, ReLU), then what follows.
_RULES: tuple[Rule, ...] = (
    (r"^backbone\.", "encoder.body."),
    (r"^classifier\.1\.", "refine.0."),
    (r"^classifier\.2\.", "refine.1."),
    (r"^classifier\.4\.", "classify."),
    (r"^aux_classifier\.([01])\.", r"auxiliary.0.\1."),
    (r"^aux_classifier\.4\.", "auxiliary.2."),
)


def translate_deeplabv3(module: Any) -> Translation:
    """Return a torchvision DeepLabV3 in our words; with its auxiliary head, where it has one.

    Raises:
        RequestError: a backbone other than a ResNet, other heads than torchvision's own, or other stages
            below them.
    """
    auxiliary = module.aux_classifier is not None
    _check(module, auxiliary)
    aspp, classify = module.classifier[0], module.classifier[4]
    return Translation(
        source=SOURCE,
        architecture="deeplabv3",
        arguments={
            "num_classes": classify.out_channels,
            "refine": True,
            "auxiliary": auxiliary,
            **aspp_arguments(aspp),
            **encoder_of(module.backbone, SOURCE),
        },
        state=rename(module.state_dict(), [*aspp_rules(aspp, r"classifier\.0"), *_RULES]),
    )


def _check(module: Any, auxiliary: bool) -> None:
    heads = [(module.classifier, "DeepLabHead"), *([(module.aux_classifier, "FCNHead")] if auxiliary else [])]
    for head, kind in heads:
        if type(head).__name__ != kind:
            raise RequestError(f"{SOURCE} with a {type(head).__name__}: only a {kind} has a place in ours.")
    expected = {"layer4": "out", **({"layer3": "aux"} if auxiliary else {})}
    given = dict(getattr(module.backbone, "return_layers", {}))
    if given != expected:
        raise RequestError(
            f"{SOURCE} with heads on {given}: only heads on {expected} of a ResNet have a place in ours."
        )
