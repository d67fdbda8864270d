"""What was made of one video, and how a stopped run tells of it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from terrazzo.predict.video.flicker import Flicker


@dataclass(frozen=True)
class VideoResult:
    """What was made of one video."""

    source: Path
    out: Path
    """The video; of kind png the folder of its frames."""

    kind: str
    frames: int
    """Frames written."""

    frames_stated: int | None
    """Frames in the source, as its header says."""

    rate: float
    """Frames per second of the source, on average."""

    size: tuple[int, int]
    """(H, W) of the frames, upright, pixels."""

    encoder: str
    """FFmpeg's name for it, or png."""

    smoothing: float | None
    """Share of the new frame, 0..1; None without smoothing."""

    flicker: Flicker | None
    """None where it was not asked for."""

    notes: tuple[str, ...]
    """What a person should know, one sentence each."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {key: str(value) if isinstance(value, Path) else value for key, value in asdict(self).items()}


class VideoStopped(KeyboardInterrupt):
    """Somebody pressed Ctrl-C: what was done is finished and plays.

    Attributes:
        result: what was made; None where no frame was done yet.
    """

    def __init__(self, result: VideoResult | None) -> None:
        kept = f"; {result.frames} frames are in {result.out}" if result else " before the first frame"
        super().__init__(f"Stopped{kept}.")
        self.result = result
