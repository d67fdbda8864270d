"""What counts as a video, what can be made of one, and where PyAV comes from."""

from os import PathLike
from pathlib import Path
from typing import Any, Final, Literal, get_args

from terrazzo.core.errors import MissingExtraError

Kind = Literal["overlay", "masks", "side-by-side", "png"]
KINDS: Final[tuple[str, ...]] = get_args(Kind)

VIDEO_SUFFIXES: Final = (
    *(".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".m2ts", ".mts"),
    *(".wmv", ".flv", ".ogv", ".gif", ".mjpeg", ".y4m", ".h264", ".264", ".h265", ".265", ".hevc"),
)
"""File name endings, in lower case, that are taken for videos; `predict_video` itself reads any file."""


def is_video(path: str | PathLike[str]) -> bool:
    """Say whether a file's name is that of a video. The file is not opened, and need not exist."""
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def import_av() -> Any:
    """Return PyAV.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import av
        import av.error
    except ImportError as error:
        raise MissingExtraError(
            'Videos need PyAV, which is not installed: pip install "terrazzo[video]"'
        ) from error
    return av
