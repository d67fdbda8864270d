"""What to start training with: crop, batch size and class weights, from the data and this machine."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from terrazzo.inspect.report import Recommendation, SizeFacts
from terrazzo.inspect.sums import Sums
from terrazzo.losses.weights import ClassWeights, LabelCounts, class_weights

RULES: tuple[ClassWeights, ...] = ("inverse", "sqrt", "median", "enet", "effective")

BYTES_PER_PIXEL = 3300
"""Memory of a training step per pixel of the batch, of a U-Net with a resnet18 encoder in fp32: 5.4 GB less
1 GB for 8 crops of 352 x 480 (benchmarks/results/train_speed.json)."""

SHARE_OF_MEMORY = 0.6
LARGEST_CROP = 512 * 1024
MOST_IMAGES = {"gpu": 16, "cpu": 8}


def weights_by_rule(sums: Sums) -> dict[str, tuple[float, ...]]:
    """Return the class weights of every rule; nothing where no pixel is labelled."""
    if not sums.pixels.any():
        return {}
    counts = LabelCounts(sums.pixels, sums.image_pixels)
    weights = {rule: class_weights(rule, counts) for rule in RULES}
    return {rule: values for rule, values in weights.items() if values is not None}


def recommend(
    sizes: Sequence[SizeFacts], images: int, machine: tuple[str, int] | None = None
) -> Recommendation | None:
    """Suggest a crop and a batch size; None where there are no images.

    Args:
        sizes: of the images.
        images: how many of them there are to train on.
        machine: ("gpu" or "cpu", bytes of memory free for training); this machine where left out.
    """
    if not sizes:
        return None
    device, memory = this_machine() if machine is None else machine
    crop = _crop(sizes)
    fit = int(SHARE_OF_MEMORY * memory / (BYTES_PER_PIXEL * crop[0] * crop[1]))
    batch = max(1, min(MOST_IMAGES[device], images, 1 << max(0, fit.bit_length() - 1)))
    why = (
        f"The crop is the median image size, at most half a megapixel, down to a multiple of 32, "
        f"the deepest stride of most networks. {batch} of them fit into {SHARE_OF_MEMORY:.0%} of "
        f"{memory / 2**30:.1f} GiB of {'GPU ' if device == 'gpu' else ''}memory at "
        f"{BYTES_PER_PIXEL} bytes per pixel, measured on a U-Net with a resnet18 encoder in fp32."
    )
    if fit < 1:
        why += " One does not quite fit: take a smaller crop."
    return Recommendation(crop, batch, why)


def _crop(sizes: Sequence[SizeFacts]) -> tuple[int, int]:
    """Return the median size, made a multiple of 32 and no larger than networks are usually trained with."""
    sides = []
    for side in ("height", "width"):
        values = np.repeat([getattr(size, side) for size in sizes], [size.images for size in sizes])
        sides.append(float(np.median(values)))
    shrink = min(1.0, (LARGEST_CROP / (sides[0] * sides[1])) ** 0.5)
    height, width = (max(32, int(side * shrink) // 32 * 32) for side in sides)
    return height, width


def this_machine() -> tuple[str, int]:
    """Return what a training would run on and its memory in bytes; without a GPU torch is not asked."""
    if Path("/dev/nvidia0").exists():
        import torch

        if torch.cuda.is_available():
            return "gpu", int(torch.cuda.get_device_properties(0).total_memory)
    try:
        return "cpu", os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, AttributeError, OSError):
        return "cpu", 8 << 30
