"""The part of `terrazzo predict` that is about videos."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.console import Console

from terrazzo.cli.output import percent, progress_bar, say_notes
from terrazzo.core.errors import RequestError

if TYPE_CHECKING:
    from terrazzo.predict import Predictor
    from terrazzo.predict.video import VideoResult
    from terrazzo.predict.video.flicker import Flicker
    from terrazzo.predict.video.kinds import Kind

PANEL = "Videos"
VideoAsOption = Annotated[
    str, typer.Option(metavar="KIND", help="overlay, masks, side-by-side or png.", rich_help_panel=PANEL)
]
SmoothOption = Annotated[
    float | None,
    typer.Option(metavar="SHARE", help="Average over time; the new frame's share.", rich_help_panel=PANEL),
]
FpsOption = Annotated[
    float | None,
    typer.Option(help="Take folders for videos, with so many frames per second.", rich_help_panel=PANEL),
]
EveryOption = Annotated[int, typer.Option(min=1, help="Only each N-th frame.", rich_help_panel=PANEL)]
StartOption = Annotated[float, typer.Option(metavar="SECONDS", help="Begin here.", rich_help_panel=PANEL)]
EndOption = Annotated[float | None, typer.Option(metavar="SECONDS", help="Stop here.", rich_help_panel=PANEL)]


@dataclass(frozen=True)
class VideoWishes:
    """What was asked for of videos."""

    kind: str
    smooth: float | None
    fps: float | None
    every: int
    start: float
    end: float | None
    overwrite: bool

    def is_video(self, path: Path) -> bool:
        """Say whether an input is to be treated as a video."""
        from terrazzo.predict.video.kinds import is_video

        return is_video(path) or (self.fps is not None and path.is_dir())

    def check(self, videos: Sequence[Path], *, probabilities: bool, confidence: str | None) -> None:
        """Refuse options that would do nothing.

        Raises:
            RequestError: they are of something else than what is given.
        """
        if videos and (probabilities or confidence):
            raise RequestError(
                f"{videos[0]} is a video: --probabilities and --confidence are of images. Leave them out."
            )
        only = (self.smooth, self.end, self.start or None, None if self.every == 1 else self.every, self.fps)
        if not videos and any(wish is not None for wish in only):
            raise RequestError(
                "--smooth, --fps, --every, --start and --end are of videos, but no input is one. "
                "Of a folder of frames say --fps; leave them out for images."
            )


def segment_video(
    to: Console, predictor: "Predictor", path: Path, out: Path, wishes: VideoWishes
) -> dict[str, Any]:
    """Segment one video and say what was made."""
    from terrazzo.predict.video import predict_video

    with progress_bar(to, path.name) as progress:
        made = predict_video(
            predictor,
            path,
            out / path.stem if wishes.kind == "png" else out,
            kind=cast("Kind", wishes.kind),
            fps=wishes.fps if path.is_dir() else None,
            every=wishes.every,
            start=wishes.start,
            end=wishes.end,
            smoothing=wishes.smooth,
            overwrite=wishes.overwrite,
            progress=progress,
        )
    _tell(to, path, made)
    facts: dict[str, Any] = made.to_json()
    return facts


def _tell(to: Console, path: Path, made: "VideoResult") -> None:
    say_notes(to, made.notes)
    if made.flicker is not None and made.flicker.plain is not None:
        to.print(_flicker(made.flicker))
    to.print(f"{path}: {made.frames} frames segmented; they lie in {made.out}.")


def _flicker(flicker: "Flicker") -> str:
    after = "" if flicker.smoothed is None else f", {percent(flicker.smoothed)} after smoothing"
    return (
        f"Flicker: {percent(flicker.plain)} of what stood still changed class from frame to frame{after} "
        f"({percent(flicker.still)} of all pixels stood still)."
    )
