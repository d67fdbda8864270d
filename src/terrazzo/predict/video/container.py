"""Frames of a video file, decoded by FFmpeg by way of PyAV (extra `video`), upright as players show them."""

import contextlib
import struct
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import DataError, RequestError
from terrazzo.predict.video.frames import Coming
from terrazzo.predict.video.kinds import import_av

FORMATS: Final = {1: "gray", 3: "rgb24"}
"""FFmpeg's pixel format for so many channels of the model."""

FALLBACK_RATE: Final = Fraction(25)
"""Of streams that say nothing."""

UPRIGHT: Final = (1, 0, 0, 1)
"""A display matrix (a, b, c, d) that changes nothing."""


class VideoFile:
    """A video that is open for reading: of several video streams the one FFmpeg takes for the best.

    Args:
        path: any file that this FFmpeg reads.
        channels: 3 for RGB, 1 for grey.

    Raises:
        DataError: the file is missing, no video, or in a codec that this FFmpeg lacks.
        RequestError: a model of other channels.
        MissingExtraError: PyAV is not installed.
    """

    def __init__(self, path: Path, channels: int = 3) -> None:
        if channels not in FORMATS:
            raise RequestError(
                f"The model takes {channels} channels, but a video has 3 (RGB). Use a model of RGB images, "
                "or a folder of frames that have those channels."
            )
        self.path = path
        self.notes: list[str] = []
        self.problem: str | None = None
        self._format = FORMATS[channels]
        self._file = _opened(path)
        try:
            self._stream = _best_stream(self._file, path)
        except BaseException:
            self._file.close()
            raise
        stream = self._stream
        stream.thread_type = "AUTO"
        self.rate = Fraction(stream.average_rate or stream.guessed_rate or FALLBACK_RATE)
        self.time_base = Fraction(stream.time_base or 1 / self.rate)
        self.aspect = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
        self.count: int | None = stream.frames or None
        self._size: tuple[int, int] | None = None
        self._matrix = UPRIGHT
        self._note_streams()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __iter__(self) -> Iterator[Coming]:
        """Decode all frames in the order in which they are shown; see `Source`."""
        first: Fraction | None = None
        last: Fraction | None = None
        index = -1
        for index, frame in enumerate(self._decoded()):
            time = self._time(frame, last)
            if first is None:
                first = time
                self._begin(frame)
            last = time
            yield Coming(index, time - first, partial(self._pixels, frame))
        self._judge(index + 1, None if first is None or last is None else last - first)

    def _decoded(self) -> Iterator[Any]:
        """Go on past damaged packets, as players do; count them."""
        errors = import_av().error
        self._packets = self._damaged = self._corrupt = 0
        self._broken: Exception | None = None
        packets = self._file.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except (StopIteration, errors.EOFError):
                return
            except (errors.FFmpegError, OSError) as error:
                self._broken = error
                return
            self._packets += bool(packet.size)
            try:
                frames = packet.decode()
            except errors.EOFError:
                continue
            except errors.FFmpegError:
                self._damaged += 1
                continue
            for frame in frames:
                self._corrupt += bool(frame.is_corrupt)
                yield frame

    def _time(self, frame: Any, last: Fraction | None) -> Fraction:
        """Return the frame's time stamp, seconds; where it has none, one frame after the last."""
        if frame.pts is not None:
            return Fraction(frame.pts) * Fraction(frame.time_base or self.time_base)
        return Fraction(0) if last is None else last + 1 / self.rate

    def _begin(self, frame: Any) -> None:
        """Take from the first frame what holds for all: its size and which way is up."""
        self._size = (frame.height, frame.width)
        self._matrix = _display_matrix(frame)
        a, b, c, d = self._matrix
        if abs(b) > abs(a) and self.aspect != 1:
            self.aspect = 1 / self.aspect
        if not (a == d == 0 or b == c == 0):
            self.notes.append("The display matrix is no quarter turn; the nearest one was applied.")

    def _pixels(self, frame: Any) -> NDArray[Any]:
        """Return (H, W, C) uint8, upright; a frame of another size than the first is scaled to it."""
        height, width = self._size or (frame.height, frame.width)
        resized = "Frames of other sizes were scaled to that of the first."
        if (frame.height, frame.width) != (height, width) and resized not in self.notes:
            self.notes.append(resized)
        pixels = frame.to_ndarray(format=self._format, width=width, height=height)
        return upright(pixels.reshape(height, width, -1), self._matrix)

    def _note_streams(self) -> None:
        streams = self._file.streams
        if len(streams.video) > 1:
            size = f"{self._stream.codec_context.width} x {self._stream.codec_context.height}"
            self.notes.append(
                f"Of {len(streams.video)} video streams number {self._stream.index} ({size}) was read."
            )
        if streams.audio:
            self.notes.append("The sound is left out.")

    def _judge(self, read: int, duration: Fraction | None) -> None:
        """Say what was wrong with the file, after its last frame."""
        if self._damaged or self._corrupt:
            self.notes.append(
                f"{self._damaged} damaged packets were passed over; {self._corrupt} frames are corrupt."
            )
        if not read or duration is None:
            self.problem = f"{self.path} holds no frame that can be decoded{self._why()}. Copy it again."
            return
        stated = self._stream.duration and self._stream.duration * Fraction(self._stream.time_base)
        missing = self.count is not None and self._packets < self.count
        short = bool(stated) and duration + Fraction(3, 2) / self.rate < stated
        if self._broken or (missing and short):
            of = f" of {self.count}" if self.count else ""
            self.problem = f"{self.path} ends after {read}{of} frames{self._why()}. Copy it again."

    def _why(self) -> str:
        return f" ({getattr(self._broken, 'strerror', None) or self._broken})" if self._broken else ""


def upright(pixels_HWC: NDArray[Any], matrix: tuple[int, int, int, int]) -> NDArray[Any]:
    """Turn and mirror a stored frame as its display matrix says, to the nearest quarter turn.

    Args:
        pixels_HWC: as stored.
        matrix: (a, b, c, d): a stored point (x, y) is shown at (a x + c y, b x + d y), ISO 14496-12, 8.3.2.
    """
    a, b, c, d = matrix
    if abs(b) > abs(a):
        pixels_HWC = pixels_HWC.swapaxes(0, 1)
        across, down = c, b
    else:
        across, down = a, d
    if across < 0:
        pixels_HWC = pixels_HWC[:, ::-1]
    if down < 0:
        pixels_HWC = pixels_HWC[::-1]
    return np.ascontiguousarray(pixels_HWC)


def _display_matrix(frame: Any) -> tuple[int, int, int, int]:
    """Return (a, b, c, d) of the frame's display matrix, 1/65536."""
    for data in frame.side_data:
        if getattr(data.type, "name", "") == "DISPLAYMATRIX":
            a, b, _, c, d, *_ = struct.unpack("=9i", bytes(data))
            return (a, b, c, d) if (a, b, c, d) != (0, 0, 0, 0) else UPRIGHT
    return UPRIGHT


def _opened(path: Path) -> Any:
    av = import_av()
    if not path.exists():
        raise DataError(f"{path}: there is no such file. Check the path.")
    try:
        return av.open(str(path), metadata_errors="ignore")
    except (av.error.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"{path} cannot be read as a video ({reason}). It may be damaged or unfinished: copy it again, "
            "or check that a player shows it."
        ) from error


def _best_stream(file: Any, path: Path) -> Any:
    """Return the video stream that FFmpeg takes by itself: the default one, else the largest."""
    if not file.streams.video:
        found = ", ".join(sorted({stream.type for stream in file.streams})) or "nothing"
        raise DataError(f"{path} has no video stream, only {found}. Give a file that holds a video.")
    stream = None
    with contextlib.suppress(import_av().error.FFmpegError):
        stream = file.streams.best("video")
    stream = stream or file.streams.video[0]
    if stream.codec_context is None:
        raise DataError(
            f"{path} is encoded in a way that this FFmpeg cannot decode (no codec is known for video stream "
            f"{stream.index}). Convert it to H.264 with the program that made it."
        )
    return stream
