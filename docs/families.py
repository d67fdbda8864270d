"""Draw the figures of families.md and fill in its measured table: one network per family, as it runs.

python docs/families.py            # all figures and the table; about ten minutes on two cores
python docs/families.py fcn unet   # these figures only
"""

import json
import sys
from pathlib import Path

import torch

from terrazzo.figures import draw_architecture
from terrazzo.models import MODELS, build_model
from terrazzo.models.receptive_field import measure_receptive_field
from terrazzo.models.wiring import trace_wiring

FOLDER = Path(__file__).parent / "families"
PAGE = Path(__file__).parent / "families.md"
MARK = "<!-- table: python docs/families.py -->"
SIZE = (512, 512)
FAMILIES = {
    "fcn-vgg16": {},
    "unet": {},
    "pspnet": {"encoder": "resnet18"},
    "deeplabv3plus": {"encoder": "resnet18"},
    "fpn": {"encoder": "resnet18"},
    "bisenetv2": {},
    "segformer": {},
    "eomt": {"encoder": "vit_tiny_patch16_224"},
}
"""One network per family, on a small encoder where it stands on one."""


def draw(name: str) -> dict[str, object]:
    """Draw one network and return its row of the table."""
    torch.manual_seed(0)
    model = build_model(name, num_classes=19, **FAMILIES[name])
    field = measure_receptive_field(model, SIZE)
    with torch.device("meta"):
        bare = build_model(name, num_classes=19, **FAMILIES[name])
    draw_architecture(FOLDER / f"{name}.png", trace_wiring(bare, SIZE), field, title=MODELS[name].title)
    seen = "the whole image" if field.whole_image else " x ".join(map(str, field.extent))
    encoder = str(model.arguments.get("encoder", "its own"))
    return {
        "model": name,
        "encoder": encoder,
        "stride": model.stride,
        "seen": seen,
        "effective": field.effective,
    }


def write_table(rows: list[dict[str, object]]) -> None:
    """Replace the table that ends the page."""
    lines = [
        "| network | encoder | stride | one logit sees | 95 % of the gradient within |",
        "|---|---|---:|---:|---:|",
    ]
    lines += [
        f"| `{row['model']}` | {row['encoder']} | {row['stride']} | {row['seen']} | "
        f"{row['effective']} x {row['effective']} |"
        for row in rows
    ]
    head = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    PAGE.write_text(f"{head}{MARK}\n\n" + "\n".join(lines) + "\n", encoding="utf-8")


def main(names: list[str]) -> None:
    """Draw what is asked for; rows of earlier runs are kept beside the figures."""
    FOLDER.mkdir(exist_ok=True)
    kept = FOLDER / "measured.json"
    rows = json.loads(kept.read_text()) if kept.exists() else {}
    for name in names:
        rows[name] = draw(name)
        print(rows[name], flush=True)
    rows = {name: rows[name] for name in FAMILIES if name in rows}
    kept.write_text(json.dumps(rows, indent=1) + "\n")
    write_table(list(rows.values()))


if __name__ == "__main__":
    main(sys.argv[1:] or list(FAMILIES))
