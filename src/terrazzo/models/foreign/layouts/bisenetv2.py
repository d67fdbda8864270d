"""The layout of CoinCheung/BiSeNet (lib/models/bisenetv2.py), commit 6b4b67a."""

from collections.abc import Mapping

from torch import Tensor

from terrazzo.models.foreign.translation import Rule, Translation, rename

_NAMES = [
    *((rf"^detail\.S{i + 1}\.", f"detail.{i}.") for i in range(3)),
    (r"^segment\.S1S2\.", "semantic.stem."),
    (r"^segment\.S3\.", "semantic.stages.0."),
    (r"^segment\.S4\.", "semantic.stages.1."),
    (r"^segment\.S5_4\.", "semantic.stages.2."),
    (r"^segment\.S5_5\.bn\.", "embed.norm."),
    (r"^segment\.S5_5\.conv_gap\.", "embed.average."),
    (r"^segment\.S5_5\.conv_last\.", "embed.conv."),
    (r"^head\.conv\.", "head."),
    (r"^head\.conv_out\.1\.", "classify."),
]
_LAYERS = [
    (r"^(semantic\.stages\.\d\.\d)\.conv1\.", r"\1.gather."),
    (r"^(semantic\.stages\.\d\.\d)\.dwconv\.", r"\1.expand."),
    (r"^(semantic\.stages\.\d\.\d)\.dwconv1\.", r"\1.expand.0."),
    (r"^(semantic\.stages\.\d\.\d)\.dwconv2\.", r"\1.expand.1."),
    (r"^(semantic\.stages\.\d\.\d)\.conv2\.", r"\1.project."),
    (r"^(semantic\.stages\.\d\.\d)\.shortcut\.([01])\.", r"\1.shortcut.0.\2."),
    (r"^(semantic\.stages\.\d\.\d)\.shortcut\.2\.", r"\1.shortcut.1.0."),
    (r"^(semantic\.stages\.\d\.\d)\.shortcut\.3\.", r"\1.shortcut.1.1."),
]
_AGGREGATION = [
    (r"^bga\.left1\.([01])\.", r"aggregate.detail_fine.0.\1."),
    (r"^bga\.left1\.2\.", "aggregate.detail_fine.1."),
    (r"^bga\.left2\.", "aggregate.detail_coarse.0."),
    (r"^bga\.right1\.", "aggregate.semantic_fine."),
    (r"^bga\.right2\.([01])\.", r"aggregate.semantic_coarse.0.\1."),
    (r"^bga\.right2\.2\.", "aggregate.semantic_coarse.1."),
    (r"^bga\.conv\.", "aggregate.conv."),
]
_BOOSTERS = [
    *((rf"^aux{stage}\.", f"boosters.{i}.") for i, stage in enumerate(("2", "3", "4", "5_4"))),
    (r"^(boosters\.\d)\.conv\.", r"\1.first."),
    (r"^(boosters\.\d)\.conv_out\.0\.1\.", r"\1.second."),
    (r"^(boosters\.\d)\.conv_out\.1\.", r"\1.classify."),
]
_RULES: list[Rule] = [
    *_NAMES,
    *_LAYERS,
    *_AGGREGATION,
    *_BOOSTERS,
    (r"\.conv\.(?=weight$)", ".0."),  # their ConvBNReLU names its parts, ours numbers them
    (r"\.bn\.", ".1."),
]
_CITYSCAPES_MEAN = (0.3257, 0.3690, 0.3223)
_CITYSCAPES_STD = (0.2112, 0.2148, 0.2115)


def translate(state: Mapping[str, Tensor]) -> Translation:
    """Translate; booster heads are kept where there are any. Statistics are those of Cityscapes."""
    renamed = rename(state, _RULES)
    found = renamed.get("classify.weight")
    num_classes, head_channels = (len(found), found.shape[1]) if found is not None else (1, 1024)
    return Translation(
        source="BiSeNet V2 (CoinCheung)",
        architecture="bisenetv2",
        arguments={
            "num_classes": num_classes,
            "head_channels": head_channels,
            "auxiliary": any(name.startswith("boosters.") for name in renamed),
            "mean": tuple(255 * value for value in _CITYSCAPES_MEAN),
            "std": tuple(255 * value for value in _CITYSCAPES_STD),
        },
        state=renamed,
    )
