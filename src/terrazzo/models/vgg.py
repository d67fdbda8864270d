"""What FCN and SegNet ask of a VGG: the map before each of its five poolings, and the one after the last.

Simonyan, Zisserman 2015, Very Deep Convolutional Networks for Large-Scale Image Recognition,
https://arxiv.org/abs/1409.1556. timm's levels are the ReLUs before the poolings, at strides 1, 2, 4, 8 and
16, and the last pooling's output at stride 32.
"""

from terrazzo.core.errors import RequestError
from terrazzo.models.encoder import Encoder

STRIDES = (1, 2, 4, 8, 16, 32)


def require_vgg(architecture: str, encoder: Encoder) -> None:
    """Refuse an encoder whose levels are not those of a VGG.

    Raises:
        RequestError: other strides, or a last level that is not the pooled one before it.
    """
    widths = encoder.channels
    if encoder.strides == STRIDES and widths[-1] == widths[-2]:
        return
    given = ", ".join(map(str, encoder.strides))
    raise RequestError(
        f"{architecture} works on what a VGG pools: it needs levels at strides 1, 2, 4, 8, 16 and 32, the "
        f"last of them pooled from the one before. This encoder's are at {given}. "
        "Choose vgg11, vgg13, vgg16 or vgg19, with batch norm (vgg16_bn) or without."
    )
