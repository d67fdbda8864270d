"""From a video to a labelled video: decoding, motion, prediction and encoding overlap, each in a thread."""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from terrazzo.core.errors import DataError, RequestError, unknown_name
from terrazzo.predict.predictor import Predictor
from terrazzo.predict.segment import answer_of
from terrazzo.predict.stages import Behind, ahead
from terrazzo.predict.video.container import VideoFile
from terrazzo.predict.video.flicker import FlickerCounter
from terrazzo.predict.video.frames import Frame, Selection, Source
from terrazzo.predict.video.kinds import KINDS, Kind
from terrazzo.predict.video.motion import Motion, MotionMeter
from terrazzo.predict.video.result import VideoResult, VideoStopped
from terrazzo.predict.video.sequence import FrameFolder
from terrazzo.predict.video.smoothing import Smoother
from terrazzo.predict.video.writing import TABLE, PngWriter, VideoWriter, Writer, part_of

AnyPath = str | PathLike[str]
Progress = Callable[[int, int | None], None]
"""Called with (frames done, frames in all or None where the file does not say)."""

SUFFIXES: Final = (".mp4", ".mov", ".mkv")
"""What a video may be written as."""


def predict_video(
    predictor: Predictor,
    source: AnyPath,
    out: AnyPath,
    *,
    kind: Kind = "overlay",
    fps: float | None = None,
    every: int = 1,
    start: float = 0.0,
    end: float | None = None,
    smoothing: float | None = None,
    flicker: bool = True,
    crf: int = 20,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> VideoResult:
    """Label every frame of a video, and write them with the time stamps they had. Sound is left out.

    Args:
        predictor: the model.
        source: a video that FFmpeg reads, or a folder of frames.
        out: the video to write, .mp4, .mov or .mkv; or a folder, in which it becomes `STEM_KIND.mp4`. Of kind
            png the folder of the frames.
        kind: overlay (classes painted over the frame), masks (their colours alone), side-by-side (frame and
            overlay), or png (label ids as a file for each frame, and `frames.csv`).
        fps: frames per second of a folder of frames.
        every: label each so many-th frame only.
        start: seconds since the first frame from which on frames are labelled.
        end: seconds since the first frame at which to stop.
        smoothing: share of the new frame in the mean over time, above 0 and below 1; see `Smoother`.
        flicker: measure how often the class of what does not move changes.
        crf: quality of H.264, 0 to 51, smaller is better and larger.
        overwrite: replace a result that is there.
        progress: called after each frame.

    Raises:
        RequestError: before any work: a result is there already, or a wish that cannot be.
        DataError: the source cannot be read, holds no frames, or ends early; in the last case what was
            finished stays, and the message says how much.
        TerrazzoError: the result cannot be written.
        VideoStopped: Ctrl-C; what was finished stays.
    """
    selection = Selection(every, start, end)
    smoother = None if smoothing is None else Smoother(smoothing)
    if not 0 <= crf <= 51:
        raise RequestError(f"The quality crf is {crf}; expected 0 (best) to 51.")
    source, target = Path(source), _target(Path(source), Path(out), kind)
    _refuse_existing(source, target, kind, overwrite)
    frames = _open(source, fps, predictor)
    try:
        writer = _writer(frames, target, kind, every, crf)
        run = _Run(predictor, frames, writer, kind, smoother, flicker or smoother is not None)
        run.all(selection, progress)
    finally:
        frames.close()
    return run.result()


@dataclass(eq=False)
class _Labelled:
    """A frame on its way to the encoder."""

    frame: Frame
    ids_HW: NDArray[Any]  # noqa: N815


class _Run:
    """One video on its way through the stages."""

    def __init__(
        self,
        predictor: Predictor,
        source: Source,
        writer: Writer,
        kind: Kind,
        smoother: Smoother | None,
        flicker: bool,
    ) -> None:
        self._predictor, self._source, self._writer = predictor, source, writer
        self._kind, self._smoother = kind, smoother
        self._flicker = FlickerCounter() if flicker else None
        self._size: tuple[int, int] | None = None
        self._written = 0

    def all(self, selection: Selection, progress: Progress | None) -> None:
        """Do all frames; whatever happens, what was written is finished properly."""
        in_all = selection.count(self._source)
        try:
            self._frames(selection, progress, in_all)
        except KeyboardInterrupt as error:
            raise VideoStopped(self.result() if self._written else None) from error
        except (DataError, RequestError) as error:
            if not self._written:
                raise
            raise DataError(f"{error} {self._kept()}") from error
        if self._source.problem:
            raise DataError(f"{self._source.problem}{' ' + self._kept() if self._written else ''}")
        if not self._written:
            raise RequestError(
                f"{self._source.path} has no frame between {selection.start} s and "
                f"{selection.end if selection.end is not None else 'its end'}. Choose an earlier start."
            )

    def _frames(self, selection: Selection, progress: Progress | None, in_all: int | None) -> None:
        try:
            with (
                closing(self._moved(ahead(selection.of(self._source)))) as moved,
                Behind(self._write) as encoder,
            ):
                for done, (frame, motion) in enumerate(moved, start=1):
                    self._size = self._size or (frame.image_HWC.shape[0], frame.image_HWC.shape[1])
                    encoder.put(_Labelled(frame, self._labels(frame, motion)))
                    if progress:
                        progress(done, in_all)
        finally:
            self._writer.close()

    def _moved(self, frames: Generator[Frame]) -> Generator[tuple[Frame, Motion | None]]:
        """Measure motion in a thread of its own, where anything needs it."""
        return _without_motion(frames) if self._flicker is None else ahead(_with_motion(frames))

    def _labels(self, frame: Frame, motion: Motion | None) -> NDArray[Any]:
        """Return the labels of one frame, and count their flicker."""
        try:
            answer = self._predictor.answer(frame.image_HWC)
        except (torch.OutOfMemoryError, MemoryError) as error:
            height, width = frame.image_HWC.shape[:2]
            raise DataError(
                f"{self._source.path}: {width} x {height} pixels are too many for the memory here: {error}"
            ) from error
        plain_HW, smoothed_HW = answer.ids, None
        if self._smoother is not None:
            smoothed = answer_of(self._smoother(answer.prediction, motion))
            smoothed_HW = self._predictor.finish(smoothed, frame.image_HWC).ids
        if self._flicker is not None:
            self._flicker.add(motion, plain_HW, smoothed_HW)
        return plain_HW if smoothed_HW is None else smoothed_HW

    def _write(self, item: _Labelled) -> None:
        """Paint and encode one frame; runs in the encoder's thread."""
        self._writer.write(item.frame, self._picture(item.frame.image_HWC, item.ids_HW))
        self._written += 1

    def _picture(self, image_HWC: NDArray[Any], ids_HW: NDArray[Any]) -> NDArray[Any]:
        labels = self._predictor.labels
        if self._kind == "png":
            return labels.decode(ids_HW)
        if self._kind == "masks":
            return labels.colorize(ids_HW)
        painted = self._predictor.paint(image_HWC, ids_HW)
        if self._kind == "overlay":
            return painted
        from terrazzo.figures import as_rgb

        return np.hstack([as_rgb(image_HWC), painted])

    def _kept(self) -> str:
        return f"The {self._written} frames before that are in {self._writer.path}."

    def result(self) -> VideoResult:
        """Say what was made."""
        return VideoResult(
            source=self._source.path,
            out=self._writer.path,
            kind=self._kind,
            frames=self._written,
            frames_stated=self._source.count,
            rate=float(self._source.rate),
            size=self._size or (0, 0),
            encoder=self._writer.encoder,
            smoothing=None if self._smoother is None else self._smoother.alpha,
            flicker=None if self._flicker is None else self._flicker.result(),
            notes=(*self._source.notes, *self._writer.notes),
        )


def _with_motion(frames: Generator[Frame]) -> Generator[tuple[Frame, Motion | None]]:
    meter = MotionMeter()
    with closing(frames):
        for frame in frames:
            yield frame, meter(frame.image_HWC)


def _without_motion(frames: Generator[Frame]) -> Generator[tuple[Frame, Motion | None]]:
    with closing(frames):
        for frame in frames:
            yield frame, None


def _open(source: Path, fps: float | None, predictor: Predictor) -> Source:
    if predictor.model.sides != 2:
        raise RequestError("This model takes volumes, not images; a video needs a model of images.")
    if source.is_dir():
        if fps is None:
            raise RequestError(f"{source} is a folder of frames, which has no frame rate: give fps, e.g. 25.")
        return FrameFolder(source, fps)
    if fps is not None:
        raise RequestError(
            f"{source} has a frame rate of its own; fps is for folders of frames. Leave it out."
        )
    return VideoFile(source, predictor.model.in_channels)


def _target(source: Path, out: Path, kind: str) -> Path:
    """Return the file, or for png the folder, that will be written."""
    if kind not in KINDS:
        raise unknown_name("kind of video", kind, KINDS)
    if kind == "png":
        return out
    if out.is_dir() or not out.suffix:
        return out / f"{source.name if source.is_dir() else source.stem}_{kind.replace('-', '_')}.mp4"
    if out.suffix.lower() not in SUFFIXES:
        raise RequestError(f"{out} ends in {out.suffix}; expected one of {', '.join(SUFFIXES)}, or a folder.")
    return out


def _refuse_existing(source: Path, target: Path, kind: str, overwrite: bool) -> None:
    result = target / TABLE if kind == "png" else target
    if source.resolve() in {target.resolve(), part_of(target).resolve()}:
        raise RequestError(f"{target} is the source itself and would be overwritten. Choose another name.")
    if kind == "png" and target.exists() and not target.is_dir():
        raise RequestError(f"{target} is a file; PNG files of frames need a folder. Choose another name.")
    if result.exists() and not overwrite:
        raise RequestError(f"{result} is there already. Choose another name, or allow overwriting.")


def _writer(source: Source, target: Path, kind: str, every: int, crf: int) -> Writer:
    if kind == "png":
        return PngWriter(target)
    # The aspect of a turned video is known from its first frame on, so the writer asks for it then.
    return VideoWriter(target, source.rate / every, source.time_base, lambda: source.aspect, crf=crf)
