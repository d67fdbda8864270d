"""What a network's weights expect of images and mean by their outputs, the same for every architecture."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Convention:
    """Options that every architecture takes."""

    mean: tuple[float, ...] | None = None
    """Per channel, pixel units; None for what the encoder's weights expect, or the default of `Normalize`."""

    std: tuple[float, ...] | None = None
    """Per channel, pixel units; None as above."""

    bgr: bool = False
    """The weights want the channels last to first (mean and std stay in the order of the image)."""

    void_outputs: tuple[int, ...] = ()
    """Outputs the weights have beyond the classes, for void: never part of the logits."""
