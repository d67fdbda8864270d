"""The layout of Tramac/Fast-SCNN-pytorch, commit 0638517."""

from collections.abc import Mapping

from torch import Tensor

from terrazzo.models.foreign.translation import Rule, Translation, rename

_HEADS = [
    (r"^learning_to_downsample\.conv\.conv\.", "downsample.0."),
    (r"^learning_to_downsample\.dsconv(\d)\.", r"downsample.\1."),
    (r"^classifier\.dsconv1\.", "head.0."),
    (r"^classifier\.dsconv2\.", "head.1."),
]
_SEPARABLE = [
    (r"^((?:downsample|head)\.\d)\.conv\.([01])\.", r"\1.0.\2."),
    (r"^((?:downsample|head)\.\d)\.conv\.3\.", r"\1.1.0."),
    (r"^((?:downsample|head)\.\d)\.conv\.4\.", r"\1.1.1."),
]
_BOTTLENECKS = [
    *((rf"^global_feature_extractor\.bottleneck{i + 1}\.", f"extract.{i}.") for i in range(3)),
    (r"^(extract\.\d\.\d)\.block\.([01])\.conv\.", r"\1.convs.\2."),
    (r"^(extract\.\d\.\d)\.block\.2\.", r"\1.convs.2.0."),
    (r"^(extract\.\d\.\d)\.block\.3\.", r"\1.convs.2.1."),
]
_REST = [
    *((rf"^global_feature_extractor\.ppm\.conv{i + 1}\.conv\.", f"context.branches.{i}.") for i in range(4)),
    (r"^global_feature_extractor\.ppm\.out\.conv\.", "project."),
    (r"^feature_fusion\.dwconv\.conv\.", "fuse.depthwise."),
    (r"^feature_fusion\.conv_lower_res\.", "fuse.coarse."),
    (r"^feature_fusion\.conv_higher_res\.", "fuse.fine."),
    (r"^classifier\.conv\.1\.", "classify."),
    (r"^auxlayer\.([01])\.", r"auxiliary.0.0.\1."),
    (r"^auxlayer\.4\.", "auxiliary.0.2."),
]
_RULES: list[Rule] = [*_HEADS, *_SEPARABLE, *_BOTTLENECKS, *_REST]


def translate(state: Mapping[str, Tensor]) -> Translation:
    """Translate; the auxiliary head is kept where there is one. Images were normalised as for ImageNet."""
    renamed = rename(state, _RULES)
    return Translation(
        source="Fast-SCNN (Tramac)",
        architecture="fastscnn",
        arguments={
            "num_classes": len(renamed["classify.weight"]) if "classify.weight" in renamed else 1,
            "auxiliary": "first" if "auxiliary.0.2.weight" in renamed else "none",
            "pad_first": False,
            "align_corners": True,
        },
        state=renamed,
    )
