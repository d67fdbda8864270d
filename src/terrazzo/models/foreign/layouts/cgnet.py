"""CGNet as wutianyiRosun/CGNet names it (`Context_Guided_Network` of model/CGNet.py).

Its images are RGB less a mean, not scaled. The mean is that of the data set, computed in the order blue,
green, red and taken off red, green, blue; we keep to it, since the weights were trained so. 11 outputs are
those of CamVid, all others get the mean of Cityscapes (19 outputs); `mean` says otherwise.
"""

from collections.abc import Mapping

from torch import Tensor

from terrazzo.models.foreign.translation import Rule, Translation, rename, tensor_of

CITYSCAPES_MEAN = (72.3924, 82.9089, 73.1584)
"""Taken off red, green and blue: the repository's dataset/cityscapes.py."""

MEANS = {11: (105.66, 103.33, 99.63), 19: CITYSCAPES_MEAN}
"""By number of outputs; CamVid's are of its training and validation images."""

RULES: tuple[Rule, ...] = (
    (r"^level1_(\d)\.", r"stem.\1."),
    (r"^b1\.", "joins.0."),
    (r"^bn_prelu_2\.", "joins.1."),
    (r"^bn_prelu_3\.", "joins.2."),
    (r"^level(\d)_0\.", r"stage_\1.down."),
    (r"^level(\d)\.", r"stage_\1.blocks."),
    (r"^classifier\.\d\.conv\.", "classify."),
    (r"\.F_glo\.fc\.", ".global."),
    (r"\.F_loc\.conv\.", ".1.near."),
    (r"\.F_sur\.conv\.", ".1.far."),
    (r"\.reduce\.conv\.", ".2."),
    (r"\.down\.bn\.", ".down.1.join.0."),
    (r"\.down\.act\.", ".down.1.join.1."),
    (r"\.bn_prelu\.bn\.", ".1.join.0."),
    (r"\.bn_prelu\.act\.", ".1.join.1."),
    (r"\.conv1x1\.", ".0."),
    (r"\.down\.global\.", ".down.3.weigh."),
    (r"\.global\.", ".2.weigh."),
    (r"^joins\.(\d)\.bn\.", r"joins.\1.0."),
    (r"^joins\.(\d)\.act\.", r"joins.\1.1."),
    (r"\.conv\.", ".0."),
    (r"\.bn\.", ".1."),
    (r"\.act\.", ".2."),
)


def translate(state: Mapping[str, Tensor]) -> Translation:
    """Return the network as ours; the numbers of blocks are read off the names.

    Raises:
        RequestError: the last layer is missing.
    """
    source = "wutianyiRosun/CGNet CGNet"
    dropped = "classifier.1.conv.weight" in state  # a dropout stands before it, at 0.1
    classify = tensor_of(state, f"classifier.{int(dropped)}.conv.weight", source)
    outputs = classify.shape[0]
    return Translation(
        source=source,
        architecture="cgnet",
        arguments={
            "num_classes": outputs,
            "m": 1 + _blocks(state, "level2."),
            "n": 1 + _blocks(state, "level3."),
            "dropout": 0.1 if dropped else 0.0,
            "mean": MEANS.get(outputs, CITYSCAPES_MEAN),
            "std": (1.0, 1.0, 1.0),
        },
        state=rename(state, RULES),
    )


def _blocks(state: Mapping[str, Tensor], prefix: str) -> int:
    return len({name.split(".")[1] for name in state if name.startswith(prefix)})
