"""ESPNet and ESPNet-C as sacmehta/ESPNet names them (`ESPNet`, `ESPNet_Encoder` of Model.py).

Which decoder it is shows in the width of its last convolution: 16 + K channels in test/Model.py and the
Cityscapes weights, 19 + K in train/Model.py and the CamVid weights. The last output is void (output 19 of 20,
or 11 of 12).

Images are BGR, less a mean, divided by a standard deviation and then by 255. The statistics are those of the
data set: 12 outputs are those of CamVid, all others get Cityscapes' (20 outputs); `mean` and `std` say
otherwise.
"""

from collections.abc import Mapping

from torch import Tensor

from terrazzo.models.espnet import STEM_WIDTH
from terrazzo.models.foreign.translation import Rule, Translation, rename, tensor_of

Statistics = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Mean and standard deviation of red, green and blue, 0..255."""

CITYSCAPES: Statistics = ((73.15840149, 82.90893555, 72.3923111), (44.91483307, 46.15289307, 45.3192215))
"""test/VisualizeResults.py, which lists blue first."""

STATISTICS: dict[int, Statistics] = {
    12: ((105.03, 108.41, 110.33), (69.90, 72.69, 72.13)),
    20: CITYSCAPES,
}
"""By number of outputs; CamVid's are of its training images."""

_ENCODER: tuple[Rule, ...] = (
    (r"^level1\.conv\.", "encoder.stem.0."),
    (r"^level1\.bn\.", "encoder.stem.1."),
    (r"^level1\.act\.", "encoder.stem.2."),
    (r"^b(\d)\.bn\.", r"encoder.join_\1.0."),
    (r"^b(\d)\.act\.", r"encoder.join_\1.1."),
    (r"^level(\d)_0\.", r"encoder.level_\1.down."),
    (r"^level(\d)\.", r"encoder.level_\1.blocks."),
)
_DECODER: tuple[Rule, ...] = (
    (r"^encoder\.classifier\.conv\.", "decoder.reduce_3."),
    (r"^level3_C\.conv\.", "decoder.reduce_2."),
    (r"^br\.", "decoder.norm_3."),
    (r"^up_l3\.0\.", "decoder.up_3."),
    (r"^combine_l2_l3\.0\.bn\.", "decoder.merge_2.0.0."),
    (r"^combine_l2_l3\.0\.act\.", "decoder.merge_2.0.1."),
    (r"^combine_l2_l3\.1\.", "decoder.merge_2.1."),
    (r"^up_l2\.0\.", "decoder.up_2.0."),
    (r"^up_l2\.1\.bn\.", "decoder.up_2.1.0."),
    (r"^up_l2\.1\.act\.", "decoder.up_2.1.1."),
    (r"^conv\.conv\.", "decoder.merge_1.0."),
    (r"^conv\.bn\.", "decoder.merge_1.1."),
    (r"^conv\.act\.", "decoder.merge_1.2."),
    (r"^classifier\.weight", "decoder.classify.weight"),
    (r"^encoder\.", ""),
)
_BLOCKS: tuple[Rule, ...] = (
    (r"\.c1\.conv\.", ".reduce."),
    *((rf"\.d{2**place}\.conv\.", f".pyramid.{place}.") for place in range(5)),
    (r"\.bn\.bn\.", ".after.0."),
    (r"\.bn\.act\.", ".after.1."),
    (r"\.bn\.", ".after.0."),
    (r"\.act\.", ".after.1."),
)
_CLASSES: tuple[Rule, ...] = ((r"^classifier\.conv\.", "classify."),)


def translate(state: Mapping[str, Tensor]) -> Translation:
    """Return the network as ours; the numbers of blocks are read off the names.

    Raises:
        RequestError: a layer that every such network has is missing.
    """
    whole = any(name.startswith("encoder.") for name in state)
    source = f"sacmehta/ESPNet {'ESPNet' if whole else 'ESPNet-C'}"
    prefix = "encoder." if whole else ""
    outputs = tensor_of(state, f"{prefix}classifier.conv.weight", source).shape[0]
    mean, std = STATISTICS.get(outputs, CITYSCAPES)
    return Translation(
        source=source,
        architecture="espnet",
        arguments={
            "num_classes": outputs,
            "p": _blocks(state, f"{prefix}level2."),
            "q": _blocks(state, f"{prefix}level3."),
            "decoder": _decoder(state, outputs, source) if whole else "none",
            "mean": mean,
            "std": tuple(255 * value for value in std),
            "bgr": True,
        },
        state=rename(state, (*(_DECODER if whole else _CLASSES), *_ENCODER, *_BLOCKS)),
    )


def _decoder(state: Mapping[str, Tensor], outputs: int, source: str) -> str:
    joined = tensor_of(state, "conv.conv.weight", source).shape[1] - outputs
    return "stem" if joined == STEM_WIDTH else "image"


def _blocks(state: Mapping[str, Tensor], prefix: str) -> int:
    return len({name.removeprefix(prefix).split(".")[0] for name in state if name.startswith(prefix)})
