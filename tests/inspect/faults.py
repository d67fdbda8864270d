"""One function for each kind of finding: it plants the fault and returns the files that must be named.

Names of functions are the kinds with underscores. None means that the finding is about the data as a whole.
"""

import json
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from terrazzo.core.images import read_image, read_mask, write_png
from terrazzo.datasets.scenes import LABELS, Scenes
from tests.inspect.conftest import SIZE

Expected = list[str]
Plant = Callable[[Path], Expected]

FAULTS: dict[str, Plant] = {}
"""Kind -> what plants it."""

IMAGE, MASK = "train/images/train00.png", "train/masks/train00.png"


def fault(plant: Plant) -> Plant:
    """Enter a function into FAULTS."""
    FAULTS[plant.__name__.replace("_", "-")] = plant
    return plant


def masks_of(root: Path, split: str = "*") -> Expected:
    """Return the masks of a split, or of all."""
    return sorted(path.relative_to(root).as_posix() for path in root.glob(f"{split}/masks/*"))


def each_mask(root: Path, change: Callable[[NDArray[Any]], NDArray[Any]], split: str = "*") -> Expected:
    """Rewrite masks."""
    for name in masks_of(root, split):
        write_png(root / name, change(read_mask(root / name)))
    return masks_of(root, split)


def one_mask(root: Path, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Expected:
    """Rewrite the first mask."""
    write_png(root / MASK, change(read_mask(root / MASK)))
    return [MASK]


def change_classes(root: Path, change: Callable[[dict[str, Any]], Any]) -> Expected:
    """Rewrite classes.json."""
    data = json.loads((root / "classes.json").read_text())
    change(data)
    (root / "classes.json").write_text(json.dumps(data))
    return ["classes.json"]


def only_two_classes(root: Path) -> None:
    """Turn the data into road (1) and everything else (0)."""
    each_mask(root, lambda mask: (mask == 2).astype(np.uint8))
    classes = [{"name": "other", "color": [0, 0, 0]}, {"name": "road", "color": [255, 0, 0]}]
    (root / "classes.json").write_text(json.dumps({"classes": classes, "void_ids": [255]}))


def painted(mask: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a mask as declared colours; void, which has none, becomes sky."""
    return LABELS.colorize(np.where(mask == 255, 0, mask))


def colored(root: Path) -> None:
    """Store all masks as colours."""
    each_mask(root, painted)


def as_jpeg(array: NDArray[Any], path: Path) -> NDArray[Any]:
    """Send an array through a JPEG file."""
    Image.fromarray(array).save(path, "JPEG", quality=80)
    out = np.asarray(Image.open(path))
    path.unlink()
    return out


# --- names


@fault
def image_without_mask(root: Path) -> Expected:
    (root / MASK).unlink()
    return [IMAGE]


@fault
def mask_without_image(root: Path) -> Expected:
    (root / IMAGE).unlink()
    return [MASK]


@fault
def same_stem_twice(root: Path) -> Expected:
    Image.fromarray(read_image(root / IMAGE)).save(root / "train/images/train00.jpg")
    return [IMAGE, "train/images/train00.jpg"]


@fault
def name_case(root: Path) -> Expected:
    (root / MASK).rename(root / "train/masks/Train00.png")
    return [IMAGE, "train/masks/Train00.png"]


@fault
def name_spaces(root: Path) -> Expected:
    (root / IMAGE).rename(root / "train/images/train00 .png")
    return ["train/images/train00 .png", MASK]


@fault
def name_unicode(root: Path) -> Expected:
    names = [unicodedata.normalize(form, "caf\u00e9.png") for form in ("NFC", "NFD")]
    (root / IMAGE).rename(root / "train/images" / names[0])
    (root / MASK).rename(root / "train/masks" / names[1])
    return [f"train/images/{names[0]}", f"train/masks/{names[1]}"]


@fault
def mask_suffix(root: Path) -> Expected:
    for name in masks_of(root):
        (root / name).rename((root / name).with_name(Path(name).stem + "_mask.png"))
    return masks_of(root)


@fault
def unread_file(root: Path) -> Expected:
    (root / "train/images/Thumbs.db").write_bytes(b"x")
    return ["train/images/Thumbs.db"]


def as_heap_with_split_files(root: Path) -> None:
    """Rearrange to images/, masks/ and split files."""
    for side in ("images", "masks"):
        (root / side).mkdir()
    for split in ("train", "val"):
        stems = sorted(path.stem for path in (root / split / "images").iterdir())
        (root / f"{split}.txt").write_text("\n".join(stems) + "\n")
        for side in ("images", "masks"):
            for path in (root / split / side).iterdir():
                path.rename(root / side / path.name)
        shutil.rmtree(root / split)


@fault
def missing_listed_file(root: Path) -> Expected:
    as_heap_with_split_files(root)
    with (root / "train.txt").open("a") as file:
        file.write("nowhere\n")
    return ["train.txt"]


@fault
def listed_twice(root: Path) -> Expected:
    as_heap_with_split_files(root)
    with (root / "train.txt").open("a") as file:
        file.write("val00\n")
    return ["images/val00.png"]


@fault
def no_masks_folder(root: Path) -> Expected:
    (root / "test/images").mkdir(parents=True)
    shutil.copy(root / IMAGE, root / "test/images/a.png")
    return []


# --- classes.json


@fault
def classes_missing(root: Path) -> Expected:
    (root / "classes.json").unlink()
    return ["classes.json"]


@fault
def classes_unreadable(root: Path) -> Expected:
    (root / "classes.json").write_text('{"classes": [')
    return ["classes.json"]


@fault
def class_name_twice(root: Path) -> Expected:
    return change_classes(root, lambda data: data["classes"][4].update(name="sky"))


@fault
def class_colour_twice(root: Path) -> Expected:
    return change_classes(root, lambda data: data["classes"][4].update(color=data["classes"][0]["color"]))


@fault
def class_id_twice(root: Path) -> Expected:
    return change_classes(root, lambda data: data["classes"][4].update(raw_ids=[3, 4]))


@fault
def num_classes_differs(root: Path) -> Expected:
    return change_classes(root, lambda data: data.update(num_classes=10))


# --- files


@fault
def unreadable_file(root: Path) -> Expected:
    (root / IMAGE).write_bytes(b"this is no image")
    return [IMAGE]


@fault
def truncated_file(root: Path) -> Expected:
    whole = (root / IMAGE).read_bytes()
    (root / IMAGE).write_bytes(whole[: len(whole) // 2])
    return [IMAGE]


@fault
def lossy_mask(root: Path) -> Expected:
    colored(root)
    Image.fromarray(read_mask(root / MASK)).save(root / "train/masks/train00.jpg", quality=80)
    (root / MASK).unlink()
    return ["train/masks/train00.jpg"]


@fault
def mask_exif(root: Path) -> Expected:
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(np.rot90(read_mask(root / MASK)).copy()).save(root / MASK, exif=exif)
    return [MASK]


@fault
def mask_alpha(root: Path) -> Expected:
    mask = read_mask(root / MASK)
    alpha = np.where(mask == 255, 0, 255).astype(np.uint8)
    Image.fromarray(np.stack([np.where(mask == 255, 0, mask), alpha], axis=-1)).save(root / MASK)
    return [MASK]


@fault
def mask_not_labels(root: Path) -> Expected:
    mask = read_mask(root / MASK)
    (root / MASK).unlink()
    np.save(root / "train/masks/train00.npy", mask.astype(np.float32) / 255)
    return ["train/masks/train00.npy"]


@fault
def mask_grey_as_rgb(root: Path) -> Expected:
    return one_mask(root, lambda mask: np.repeat(mask[..., None], 3, axis=2))


@fault
def image_not_finite(root: Path) -> Expected:
    image = read_image(root / IMAGE).astype(np.float32)
    image[3, 4] = np.nan
    (root / IMAGE).unlink()
    np.save(root / "train/images/train00.npy", image)
    return ["train/images/train00.npy"]


# --- sizes


@fault
def size_mismatch(root: Path) -> Expected:
    return one_mask(root, lambda mask: mask[:-8])


@fault
def transposed_pair(root: Path) -> Expected:
    return one_mask(root, lambda mask: np.ascontiguousarray(mask.T))


def save_turned(root: Path, orientation: int, stored: NDArray[Any]) -> None:
    """Replace the first image by a photo with an EXIF orientation."""
    exif = Image.Exif()
    exif[274] = orientation
    (root / IMAGE).unlink()
    Image.fromarray(stored).save(root / "train/images/train00.jpg", exif=exif, quality=95)


@fault
def exif_rotated(root: Path) -> Expected:
    save_turned(root, 6, read_image(root / IMAGE))
    return [MASK]


@fault
def exif_turned(root: Path) -> Expected:
    save_turned(root, 3, np.ascontiguousarray(read_image(root / IMAGE)[::-1, ::-1]))
    return [MASK]


@fault
def very_different_sizes(root: Path) -> Expected:
    for name in (IMAGE, MASK):
        small = Image.open(root / name)
        small.resize((12, 8), Image.Resampling.NEAREST).save(root / name)
    return [IMAGE, "train/images/train01.png"]


@fault
def mixed_channels(root: Path) -> Expected:
    write_png(root / IMAGE, read_image(root / IMAGE)[..., 0])
    return [IMAGE]


# --- masks


@fault
def palette_indices(root: Path) -> Expected:
    mask = read_mask(root / MASK)
    order = np.arange(256, dtype=np.uint8)
    order[:9] = order[:9][::-1]
    palette = np.zeros((256, 3), np.uint8)
    palette[:9] = LABELS.palette[::-1]
    write_png(root / MASK, order[mask], palette)
    return [MASK]


@fault
def palette_as_grey(root: Path) -> Expected:
    grey = np.asarray(Image.fromarray(painted(read_mask(root / MASK))).convert("L"))
    return one_mask(root, lambda mask: grey)


@fault
def binary_255(root: Path) -> Expected:
    only_two_classes(root)
    each_mask(root, lambda mask: mask * np.uint8(255))
    return [name for name in masks_of(root) if read_mask(root / name).any()]


@fault
def ids_off_by_one(root: Path) -> Expected:
    return each_mask(root, lambda mask: np.where(mask == 255, 255, mask + 1).astype(np.uint8))


@fault
def wrong_num_classes(root: Path) -> Expected:
    change_classes(root, lambda data: data["classes"].pop())
    return [name for name in masks_of(root) if (read_mask(root / name) == 8).any()]


@fault
def undeclared_ids(root: Path) -> Expected:
    def change(mask: NDArray[Any]) -> NDArray[Any]:
        mask[10:14, 20:30] = 37
        return mask

    return one_mask(root, change)


@fault
def undeclared_colours(root: Path) -> Expected:
    colored(root)

    def change(mask: NDArray[Any]) -> NDArray[Any]:
        mask[10:14, 20:30] = (1, 2, 3)
        return mask

    return one_mask(root, change)


@fault
def jpeg_damage(root: Path) -> Expected:
    colored(root)
    return one_mask(root, lambda mask: as_jpeg(mask, root / "a.jpg"))


@fault
def resampling_damage(root: Path) -> Expected:
    colored(root)

    def change(mask: NDArray[Any]) -> NDArray[Any]:
        half = cv2.resize(mask, (48, 32), interpolation=cv2.INTER_NEAREST)
        return np.asarray(cv2.resize(half, (96, 64), interpolation=cv2.INTER_LINEAR))

    return one_mask(root, change)


@fault
def empty_mask(root: Path) -> Expected:
    return one_mask(root, lambda mask: np.full_like(mask, 255))


@fault
def constant_mask(root: Path) -> Expected:
    return one_mask(root, lambda mask: np.full_like(mask, 2))


@fault
def one_class_mask(root: Path) -> Expected:
    return one_mask(root, lambda mask: np.where(mask == 2, 2, 255).astype(np.uint8))


# --- classes


@fault
def ids_swapped(root: Path) -> Expected:
    def change(mask: NDArray[Any]) -> NDArray[Any]:
        out = mask.copy()
        out[mask == 0], out[mask == 2] = 2, 0
        return out

    return each_mask(root, change, "val")


@fault
def class_never_present(root: Path) -> Expected:
    change_classes(
        root, lambda data: data["classes"].append({"name": "boat", "color": [1, 2, 3], "raw_ids": [9]})
    )
    return []


@fault
def class_missing_from_split(root: Path) -> Expected:
    each_mask(root, lambda mask: np.where(mask == 8, 255, mask).astype(np.uint8), "val")
    return []


# --- images


@fault
def blank_image(root: Path) -> Expected:
    write_png(root / IMAGE, np.full((*SIZE, 3), 90, np.uint8))
    return [IMAGE]


@fault
def dark_16_bit(root: Path) -> Expected:
    names = sorted(path.relative_to(root).as_posix() for path in root.glob("*/images/*"))
    for name in names:
        grey = read_image(root / name).mean(axis=2)
        write_png(root / name, (grey * 16).astype(np.uint16))
    return names


# --- duplicates


def copy_pair(root: Path, name: str, split: str) -> Expected:
    """Copy the first pair."""
    for side, source in (("images", IMAGE), ("masks", MASK)):
        shutil.copy(root / source, root / split / side / f"{name}.png")
    return [IMAGE, f"{split}/images/{name}.png"]


@fault
def duplicate_across_splits(root: Path) -> Expected:
    return copy_pair(root, "again", "val")


@fault
def duplicate_within_split(root: Path) -> Expected:
    return copy_pair(root, "again", "train")


@fault
def contradicting_labels(root: Path) -> Expected:
    files = copy_pair(root, "again", "train")
    mask = read_mask(root / MASK)
    mask[:20, :40] = 4
    write_png(root / "train/masks/again.png", mask)
    return files


def nearly(root: Path, split: str) -> Expected:
    """Copy the first pair as a brighter JPEG."""
    copy_pair(root, "again", split)
    (root / split / "images/again.png").unlink()
    bright = np.clip(read_image(root / IMAGE).astype(int) + 6, 0, 255).astype(np.uint8)
    Image.fromarray(bright).save(root / split / "images/again.jpg", quality=85)
    mask = read_mask(root / MASK)
    mask[0, 0] = 255
    write_png(root / split / "masks/again.png", mask)
    return [IMAGE, f"{split}/images/again.jpg"]


@fault
def near_duplicate_across_splits(root: Path) -> Expected:
    return nearly(root, "val")


@fault
def near_duplicate_within_split(root: Path) -> Expected:
    return nearly(root, "train")


@fault
def repeated_mask(root: Path) -> Expected:
    shutil.copy(root / MASK, root / "train/masks/train01.png")
    return [MASK, "train/masks/train01.png"]


# --- splits


@fault
def scene_leakage(root: Path) -> Expected:
    """Names say the scene: 01 is in both splits."""
    leaked = []
    for split, count in (("train", 14), ("val", 7)):
        for i in range(count):
            shared = i < (2 if split == "val" else 4)
            scene = "x" if shared else f"{split}{i // 4}"
            for side in ("images", "masks"):
                old = root / split / side / f"{split}{i:02}.png"
                old.rename(old.with_name(f"{scene}_{split}{i:02}.png"))
            if scene == "x":
                leaked.append(f"{split}/images/x_{split}{i:02}.png")
    (root / "data.yaml").write_text('kind: folder\nroot: .\ngroup_pattern: "^([^_]+)_"\n')
    return leaked


@fault
def neighbouring_frames(root: Path) -> Expected:
    files = []
    for i in range(3):
        image, mask = (
            read_image(root / f"train/images/train{i:02}.png"),
            read_mask(root / f"train/masks/train{i:02}.png"),
        )
        write_png(root / f"val/images/frame{i}.png", np.ascontiguousarray(np.roll(image, 2, axis=1)))
        write_png(root / f"val/masks/frame{i}.png", np.ascontiguousarray(np.roll(mask, 2, axis=1)))
        files += [f"train/images/train{i:02}.png", f"val/images/frame{i}.png"]
    return files


@fault
def one_scene_split(root: Path) -> Expected:
    (root / "data.yaml").write_text('kind: folder\nroot: .\ngroup_pattern: "^(val|train[0-9])"\n')
    return []


@fault
def tiny_split(root: Path) -> Expected:
    """Two images, with every class."""
    keep = [0, 1, 2]
    for i in range(7):
        for side in ("images", "masks"):
            if i not in keep:
                (root / f"val/{side}/val{i:02}.png").unlink()
    mask = read_mask(root / "val/masks/val00.png")
    for k in range(9):
        mask[k, 0] = k
    write_png(root / "val/masks/val00.png", mask)
    return []


@fault
def ungrouped_frames(root: Path) -> Expected:
    as_heap_with_split_files(root)
    for file in ("train.txt", "val.txt"):
        (root / file).unlink()
    wide = Scenes("test", size=(128, 392), count=1, seed=14)[0]
    for i in range(40):
        view = np.s_[::2, 5 * i : 5 * i + 192 : 2]  # two and a half pixels from frame to frame
        write_png(root / f"images/zz{i:02}.png", np.ascontiguousarray(wide["image"][view]))
        write_png(root / f"masks/zz{i:02}.png", np.ascontiguousarray(wide["mask"][view]))
    return []
