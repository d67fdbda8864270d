"""Where labelled frames go: an H.264 file, or a folder of PNG files with a table.

A video is written as `NAME.part.SUFFIX` and renamed when it is closed. It is written in fragments of two
seconds, which become one plain file at the end: killed at any instant, what is there plays.
"""

import contextlib
import csv
from collections.abc import Callable
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from terrazzo.core.errors import TerrazzoError
from terrazzo.predict.video.frames import Frame
from terrazzo.predict.video.kinds import import_av

ENCODERS: Final = {
    "libx264": {"preset": "veryfast"},
    "libopenh264": {},
    "mpeg4": {},
}
"""FFmpeg's encoders with their options, in the order in which they are tried."""

FRAGMENT_S: Final = 2
"""Seconds between key frames; what a kill costs at most."""

MPEG4_LIMIT: Final = 65535
"""Largest denominator of a time base in MPEG-4 part 2."""

BT709: Final = 1
LIMITED_RANGE: Final = 1
TABLE: Final = "frames.csv"
COLUMNS: Final = ("file", "frame", "time_s", "source")


class Writer(Protocol):
    """Takes labelled frames in order."""

    path: Path
    encoder: str
    notes: list[str]

    def write(self, frame: Frame, picture: NDArray[Any]) -> None:
        """Write one."""

    def close(self) -> None:
        """Finish; what was written is complete."""


class VideoWriter:
    """Writes RGB pictures as a video of the same time stamps, counted from the first one written.

    Args:
        path: ends in .mp4, .mov or .mkv.
        rate: frames per second, on average.
        time_base: seconds; every time stamp is a multiple of it.
        aspect: says, at the first picture, the width of a pixel over its height.
        crf: quality of H.264, 0 (lossless) to 51; 20 looks like the original.
    """

    def __init__(
        self,
        path: Path,
        rate: Fraction,
        time_base: Fraction,
        aspect: Callable[[], Fraction] = lambda: Fraction(1),
        *,
        crf: int = 20,
    ) -> None:
        self.path, self.notes = path, list[str]()
        self.encoder = pick_encoder()
        self._part = part_of(path)
        self._rate, self._aspect, self._crf = rate, aspect, crf
        self._base = _allowed(time_base, self.encoder)
        self._file: Any = None
        self._stream: Any = None
        self._first = Fraction(0)
        self._last = -1
        self._broken = False

    def write(self, frame: Frame, picture: NDArray[Any]) -> None:
        """Encode one picture (H, W, 3) uint8.

        Raises:
            TerrazzoError: the file cannot be written.
        """
        av = import_av()
        try:
            even = self._even(picture)
            if self._file is None:
                self._first = frame.time
                self._open((even.shape[0], even.shape[1]))
            image = av.VideoFrame.from_ndarray(even, format="rgb24").reformat(
                format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
            )
            # Encoders refuse two frames of one time, which some cameras write.
            image.pts = self._last = max(self._last + 1, round((frame.time - self._first) / self._base))
            image.time_base = self._base
            if hasattr(image, "duration"):  # else the last frame would be shown for no time
                image.duration = max(1, round(1 / self._rate / self._base))
            self._file.mux(self._stream.encode(image))
        except (av.error.FFmpegError, OSError) as error:
            self._broken = True
            raise cannot_write(self.path, error) from error

    def close(self) -> None:
        """Finish the file and give it its name; one that could not be written keeps that of its part.

        Raises:
            TerrazzoError: the file cannot be written.
        """
        if self._file is None:
            return
        av = import_av()
        file, self._file = self._file, None
        if self._broken:  # FFmpeg crashes when it is given more
            with contextlib.suppress(av.error.FFmpegError, OSError):
                file.close()
            return
        try:
            with closing(file):
                file.mux(self._stream.encode(None))
            self._part.replace(self.path)
        except (av.error.FFmpegError, OSError) as error:
            raise cannot_write(self.path, error) from error

    def _open(self, size: tuple[int, int]) -> None:
        av = import_av()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        options = {"movflags": "hybrid_fragmented+frag_keyframe", "flush_packets": "1"}
        if self.path.suffix.lower() == ".mkv":
            options.pop("movflags")  # Matroska can be cut anywhere as it is
        self._file = av.open(str(self._part), "w", options=options)
        quality = {"crf": str(self._crf)} if self.encoder == "libx264" else {}
        self._stream = self._file.add_stream(
            self.encoder, rate=self._rate, options={**ENCODERS[self.encoder], **quality}
        )
        context = self._stream.codec_context
        context.height, context.width = size
        context.pix_fmt = "yuv420p"
        context.time_base = self._base
        context.sample_aspect_ratio = self._aspect()
        context.gop_size = max(1, round(self._rate * FRAGMENT_S))
        context.max_b_frames = 0  # frames out of order would make fragments begin late
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED_RANGE
        if self.encoder == "mpeg4":
            context.bit_rate = max(500_000, int(size[0] * size[1] * self._rate / 5))
            self.notes.append("There is no encoder for H.264 here; MPEG-4 part 2 is not shown by browsers.")

    def _even(self, picture: NDArray[Any]) -> NDArray[np.uint8]:
        """Repeat the last row or column of odd sides: colours are stored for 2 x 2 pixels."""
        height, width = picture.shape[:2]
        if height % 2 or width % 2:
            if self._file is None:
                self.notes.append(
                    f"H.264 takes even sides: {width} x {height} pixels became {width + width % 2} x "
                    f"{height + height % 2}, the last column or row repeated."
                )
            picture = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        return np.ascontiguousarray(picture, dtype=np.uint8)


class PngWriter:
    """Writes label ids as PNG files, and `frames.csv`: file, frame, time in seconds, name of the source.

    A row is written after its file, so whatever the table names is whole.

    Args:
        folder: made if absent.
    """

    encoder = "png"

    def __init__(self, folder: Path) -> None:
        self.path, self.notes = folder, list[str]()
        self._table: Any = None

    def write(self, frame: Frame, picture: NDArray[Any]) -> None:
        """Write raw ids (H, W).

        Raises:
            TerrazzoError: the file cannot be written.
        """
        from terrazzo.core.images import write_png

        try:
            if self._table is None:
                self.path.mkdir(parents=True, exist_ok=True)
                self._table = (self.path / TABLE).open("w", newline="", encoding="utf-8")
                csv.writer(self._table).writerow(COLUMNS)
            name = f"{frame.index:06}.png"
            part = self.path / f".{name}.part"
            write_png(part, picture)
            part.replace(self.path / name)
            row = (name, frame.index, f"{float(frame.time):.6f}", frame.name)
            csv.writer(self._table).writerow(row)
            self._table.flush()
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def close(self) -> None:
        """Close the table."""
        if self._table is not None:
            self._table.close()


def pick_encoder() -> str:
    """Return the best encoder that this FFmpeg has.

    Raises:
        TerrazzoError: it has none.
    """
    av = import_av()
    for name in ENCODERS:
        try:
            av.codec.Codec(name, "w")
        except ValueError:  # UnknownCodecError
            continue
        return name
    raise TerrazzoError(
        f"This FFmpeg encodes no video: none of {', '.join(ENCODERS)} is there. Install PyAV from its wheel, "
        "pip install --force-reinstall av, or write PNG files."
    )


def part_of(path: Path) -> Path:
    """Return the name under which an unfinished video is kept."""
    return path.with_name(f"{path.stem}.part{path.suffix}")


def cannot_write(path: Path, error: BaseException) -> TerrazzoError:
    """Build the error of a result that cannot be written."""
    return TerrazzoError(
        f"{path} cannot be written: {getattr(error, 'strerror', None) or error}. "
        "Free some space there, or choose another place that you may write to."
    )


def _allowed(time_base: Fraction, encoder: str) -> Fraction:
    if encoder == "mpeg4" and time_base.denominator > MPEG4_LIMIT:
        return Fraction(1, 60000)
    return time_base
