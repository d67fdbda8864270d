"""What a run over many images will take, said before it begins: the memory of the largest of them."""

from collections.abc import Sequence
from pathlib import Path

from terrazzo.core.errors import DataError, TerrazzoError
from terrazzo.core.images import image_size
from terrazzo.predict.inference import Inference
from terrazzo.predict.tiles.auto import AutoTiled, Plan, plan_tiles, plan_whole
from terrazzo.predict.tiles.tiled import Tiled


def foretell(inference: Inference, images: Sequence[Path]) -> str | None:
    """Say in a sentence how much memory the largest of some images will take, from their headers alone.

    Views and members around a network run one after another: what they take beside one pass is not in it.

    Args:
        inference: what will predict.
        images: files; those that cannot be read are left to the reading itself.

    Returns:
        The sentence; None for volumes, and where no image can be read.
    """
    sizes = {path: size for path in images if (size := _size(path))}
    if inference.backend.sides != 2 or not sizes:
        return None
    largest = max(sizes, key=lambda path: sizes[path][0] * sizes[path][1])
    try:
        said = plan_of(inference, sizes[largest]).sentence
    except TerrazzoError as error:  # that one image will fail; the others need not
        said = str(error)
    return said if len(images) == 1 else f"{largest.name}, the largest of {len(images)} images: {said}"


def plan_of(inference: Inference, size: tuple[int, int]) -> Plan:
    """Return how an image of (H, W) will be predicted, and what that takes.

    Raises:
        TerrazzoError: it fits in no way, or what the runtime takes is not known.
    """
    cutter = _cutter(inference)
    if isinstance(cutter, AutoTiled):
        return cutter.plan(size)
    if isinstance(cutter, Tiled) and max(size) > cutter.tile:
        return plan_tiles(inference, size, cutter.tile, cutter.overlap)
    return plan_whole(inference, size)


def _cutter(inference: Inference | None) -> Tiled | AutoTiled | None:
    """Return what cuts images, wherever it is among what is wrapped around the network."""
    while inference is not None and not isinstance(inference, Tiled | AutoTiled):
        members = getattr(inference, "members", ())
        inference = members[0] if members else getattr(inference, "inner", None)
    return inference


def _size(path: Path) -> tuple[int, int] | None:
    try:
        return image_size(path)
    except (DataError, OSError):
        return None
