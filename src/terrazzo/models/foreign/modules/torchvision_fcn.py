"""torchvision's FCN -> our `fcn`: the same network, weight by weight."""

from typing import Any

from terrazzo.core.errors import RequestError
from terrazzo.models.foreign.modules.torchvision_resnet import encoder_of
from terrazzo.models.foreign.translation import Rule, Translation, rename

SOURCE = "torchvision FCN"

_RULES: tuple[Rule, ...] = (
    (r"^backbone\.", "encoder.body."),
    (r"^classifier\.", "head."),
    (r"^aux_classifier\.", "auxiliary_head."),
    # Theirs: convolution, norm, ReLU, dropout, classes, in a row. Ours: (convolution, norm, ReLU), ...
    (r"^(head|auxiliary_head)\.([01])\.", r"\1.0.\2."),
    (r"^(head|auxiliary_head)\.4\.", r"\1.2."),
)


def translate_fcn(module: Any) -> Translation:
    """Return a torchvision FCN in our words; with its auxiliary head, where it has one.

    Raises:
        RequestError: a backbone other than a ResNet, other heads than FCNHead, or other stages below them.
    """
    auxiliary = module.aux_classifier is not None
    _check(module, auxiliary)
    return Translation(
        source=SOURCE,
        architecture="fcn",
        arguments={
            "num_classes": module.classifier[4].out_channels,
            "channels": module.classifier[0].out_channels,
            "dropout": module.classifier[3].p,
            "auxiliary": auxiliary,
            **encoder_of(module.backbone, SOURCE),
        },
        state=rename(module.state_dict(), _RULES),
    )


def _check(module: Any, auxiliary: bool) -> None:
    heads = [module.classifier, *([module.aux_classifier] if auxiliary else [])]
    for head in heads:
        if type(head).__name__ != "FCNHead":
            raise RequestError(f"{SOURCE} with a {type(head).__name__}: only FCNHead can be taken over.")
    expected = {"layer4": "out", **({"layer3": "aux"} if auxiliary else {})}
    given = dict(getattr(module.backbone, "return_layers", {}))
    if given != expected:
        raise RequestError(
            f"{SOURCE} with heads on {given}: only heads on {expected} of a ResNet can be taken over."
        )
