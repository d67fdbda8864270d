"""ERFNet as Eromera/erfnet_pytorch names it (`Net` of train/erfnet.py), published for Cityscapes.

20 outputs: the 19 classes and void as the last. Images are RGB divided by 255. The convolution to the classes
that the encoder was trained with first is left out.
"""

from collections.abc import Mapping

from torch import Tensor

from terrazzo.models.foreign.translation import Rule, Translation, rename, tensor_of

RULES: tuple[Rule, ...] = (
    (r"^encoder\.output_conv\.", None),
    (r"^encoder\.initial_block\.", "initial."),
    (r"^encoder\.layers\.", "encoder."),
    (r"^decoder\.output_conv\.", "classify."),
    (r"^decoder\.layers\.(\d+)\.conv\.", r"decoder.\1.0."),
    (r"^decoder\.layers\.(\d+)\.bn\.", r"decoder.\1.1."),
    (r"^decoder\.layers\.", "decoder."),
    (r"\.bn\.", ".norm."),
    (r"\.conv3x1_1\.", ".first.0."),
    (r"\.conv1x3_1\.", ".first.2."),
    (r"\.bn1\.", ".first.3."),
    (r"\.conv3x1_2\.", ".second.0."),
    (r"\.conv1x3_2\.", ".second.2."),
    (r"\.bn2\.", ".second.3."),
)


def translate(state: Mapping[str, Tensor]) -> Translation:
    """Return the network as ours.

    Raises:
        RequestError: the last layer is missing.
    """
    source = "Eromera/erfnet_pytorch ERFNet"
    classify = tensor_of(state, "decoder.output_conv.weight", source)
    return Translation(
        source=source,
        architecture="erfnet",
        arguments={"num_classes": classify.shape[1], "mean": (0.0, 0.0, 0.0), "std": (255.0, 255.0, 255.0)},
        state=rename(state, RULES),
    )
