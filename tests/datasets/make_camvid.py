"""A tiny original release of CamVid: stills beside masks in 32 colours."""

from pathlib import Path

from terrazzo.datasets.camvid_labels import COLOURS
from tests.datasets.fakes import random_ids, save_colors, save_image

FRAMES = (
    *("0001TP_006690", "0001TP_008520", "0001TP_008550", "0006R0_f00930", "0016E5_00390"),
    *("0016E5_07959", "0016E5_08159", "0016E5_08190", "Seq05VD_f00000"),
)
VAL, TEST = {"0016E5_07959", "0016E5_08159"}, {"0001TP_008550", "Seq05VD_f00000"}


def make_camvid(root: Path) -> Path:
    """Write 701_StillsRaw_full/ and LabeledApproved_full/; return the folder that holds them."""
    colors = [rgb for rgb, _ in COLOURS.values()]
    for frame in FRAMES:
        save_image(root / "701_StillsRaw_full" / f"{frame}.png")
        path = root / "LabeledApproved_full" / f"{frame}_L.png"
        save_colors(path, random_ids(path, list(range(32))), colors)
    return root
