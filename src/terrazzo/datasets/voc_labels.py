"""The labels of PASCAL VOC: background and twenty objects, in the order and the palette of its masks."""

from terrazzo.core.labels import RGB, LabelClass, LabelMap
from terrazzo.core.sample import IGNORE

NAMES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *(
        "diningtable",
        "dog",
        "horse",
        "motorbike",
        "person",
        "pottedplant",
        "sheep",
        "sofa",
        "train",
        "tvmonitor",
    ),
)
"""Position = raw id = palette index."""


def voc_color(index: int) -> RGB:
    """Return the palette's colour of an index 0..255: its bits fill R, G and B in turn, from the top."""
    red, green, blue = (
        sum(((index >> (3 * place + channel)) & 1) << (7 - place) for place in range(8))
        for channel in range(3)
    )
    return red, green, blue


LABELS = LabelMap(
    tuple(LabelClass(name, voc_color(i), (i,)) for i, name in enumerate(NAMES)),
    void_ids=(IGNORE,),
    void_colors=(voc_color(IGNORE),),
)
"""21 classes; 255, the border of objects and what is hard to tell, is void."""
