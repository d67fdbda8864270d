"""A tiny KITTI road and a tiny KITTI semantic, as their archives unpack."""

from pathlib import Path

from tests.datasets.fakes import random_ids, save_colors, save_ids, save_image

ROAD = [(255, 0, 0), (255, 0, 255), (0, 0, 0)]
COUNTS = {"um": 25, "umm": 12, "uu": 11}


def make_kitti_road(root: Path) -> Path:
    """Write data_road/; return the folder that holds it."""
    training = root / "data_road" / "training"
    for street, count in COUNTS.items():
        for number in range(count):
            save_image(training / "image_2" / f"{street}_{number:06d}.png")
            for task in ("road", "lane") if street == "um" else ("road",):
                path = training / "gt_image_2" / f"{street}_{task}_{number:06d}.png"
                save_colors(path, random_ids(path, [0, 1, 2]), ROAD)
    (training / "calib").mkdir()
    (training / "calib" / "um_000000.txt").write_text("P0: 1 0 0 0\n")
    save_image(root / "data_road" / "testing" / "image_2" / "um_000000.png")
    return root


def make_kitti_semantic(root: Path) -> Path:
    """Write data_semantics/; return the folder that holds it."""
    training = root / "data_semantics" / "training"
    for number in range(40):
        name = f"{number:06d}_10.png"
        save_image(training / "image_2" / name)
        mask = random_ids(training / name, list(range(34)))
        save_ids(training / "semantic" / name, mask)
        save_ids(training / "instance" / name, mask)
    save_image(root / "data_semantics" / "testing" / "image_2" / "000000_10.png")
    return root
