"""Video in, labelled video out: frames are decoded, predicted and encoded in overlapping stages."""

from terrazzo.predict.video.flicker import Flicker
from terrazzo.predict.video.frames import Selection
from terrazzo.predict.video.kinds import VIDEO_SUFFIXES, is_video
from terrazzo.predict.video.motion import Motion, measure_motion
from terrazzo.predict.video.result import VideoResult, VideoStopped
from terrazzo.predict.video.run import predict_video
from terrazzo.predict.video.smoothing import Smoother

__all__ = [
    "VIDEO_SUFFIXES",
    "Flicker",
    "Motion",
    "Selection",
    "Smoother",
    "VideoResult",
    "VideoStopped",
    "is_video",
    "measure_motion",
    "predict_video",
]
