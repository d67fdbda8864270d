"""A tiny export "CVAT for images 1.1": subsets, z_order, a turned box, an ellipse, a mask and a tag."""

from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (20, 30)

SHAPES = """
    <tag label="night" source="manual"></tag>
    <polygon label="road" source="manual" occluded="0" z_order="0"
      points="0.00,10.00;30.00,10.00;30.00,20.00;0.00,20.00">
      <attribute name="wet">no</attribute>
    </polygon>
    <mask label="car" source="semi-auto" occluded="0" rle="1, 2, 2, 2, 1"
      left="4" top="8" width="4" height="2" z_order="2"></mask>
    <box label="sign" source="manual" occluded="0" xtl="18.00" ytl="2.00" xbr="24.00" ybr="4.00"
      rotation="90.00" z_order="1"></box>
    <ellipse label="sign" source="manual" occluded="0" cx="10.0" cy="4.0"
      rx="3.0" ry="2.0" z_order="1"></ellipse>
    <polygon label="road" source="manual" occluded="0" z_order="1"
      points="4.0,8.0;8.0,8.0;8.0,10.0;4.0,10.0"></polygon>
"""
"""The last polygon covers the mask, but lies below it."""

LABELS = "".join(
    f"<label><name>{name}</name><color>{color}</color><type>any</type><attributes></attributes></label>"
    for name, color in (("road", "#804080"), ("car", "#00008e"), ("sign", "#dcdc00"), ("night", "#111111"))
)


def xml(images: str) -> str:
    """Return annotations.xml."""
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n'
        f"  <meta><task><name>streets</name><labels>{LABELS}</labels></task></meta>\n{images}</annotations>\n"
    )


def image(number: int, subset: str, shapes: str = SHAPES) -> str:
    """Return one <image>."""
    size = f'width="{SIZE[1]}" height="{SIZE[0]}"'
    return f'<image id="{number}" name="street_{number}.png" subset="{subset}" {size}>{shapes}</image>\n'


def make(root: Path) -> Path:
    """Write six images in three subsets."""
    subsets = ["Train"] * 3 + ["Validation"] * 2 + ["Test"]
    for number, subset in enumerate(subsets):
        folder = root / "images" / subset
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"street_{number}.png")
    (root / "annotations.xml").write_text(xml("".join(image(n, s) for n, s in enumerate(subsets))))
    return root
