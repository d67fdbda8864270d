"""Videos made for tests: a textured wall, and a square that moves across it."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

SIZE = (48, 64)


def wall(size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """Return a texture with enough in it for optical flow, smooth enough for encoders."""
    rows, columns = np.indices(size)
    waves = [np.sin(columns / 3 + rows / 7), np.sin(rows / 4 - columns / 9), np.sin((rows + columns) / 5)]
    return np.asarray(120 + 40 * np.stack(waves, axis=-1), dtype=np.uint8)


def square(index: int, size: tuple[int, int] = SIZE, step: int = 1) -> NDArray[np.uint8]:
    """Return frame `index`: a red square of 16 pixels that moves to the right."""
    picture = wall(size)
    left = 4 + step * index
    picture[12:28, left : left + 16] = (220, 40, 40)
    return picture


def make_video(
    path: Path,
    frames: Sequence[NDArray[np.uint8]],
    *,
    times: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 1000),
    rate: int = 25,
    gop: int = 5,
    sound: bool = False,
    options: dict[str, str] | None = None,
) -> Path:
    """Encode RGB frames, at `times` in units of the time base."""
    with av.open(str(path), "w", options=options or {}) as file:
        stream: Any = file.add_stream("libx264", rate=rate, options={"crf": "10", "preset": "ultrafast"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = time_base
        stream.codec_context.gop_size = gop
        other: Any = file.add_stream("aac", rate=8000) if sound else None
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = times[index] if times else index * round(1 / (rate * time_base))
            frame.time_base = time_base
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
        if other is not None:
            quiet = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            quiet.sample_rate = 8000
            file.mux(other.encode(quiet))
            file.mux(other.encode(None))
    return path


def read_video(path: Path) -> tuple[list[NDArray[np.uint8]], list[Fraction]]:
    """Return all frames as RGB, and their times in seconds."""
    frames, times = [], []
    with av.open(str(path)) as file:
        for frame in file.decode(video=0):
            assert frame.pts is not None
            assert frame.time_base is not None
            frames.append(np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8))
            times.append(frame.pts * frame.time_base)
    return frames, times


def turn(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Write a display matrix (a, b, c, d) into the track header of an MP4."""
    data = bytearray(path.read_bytes())
    place = data.find(b"tkhd") + 4 + 4 + 20 + 16
    a, b, c, d = (value * 65536 for value in matrix)
    data[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path
