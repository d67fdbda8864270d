"""What is said to move, what stands still, and what flicker counts; against answers known by hand."""

from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from terrazzo.core.errors import RequestError
from terrazzo.core.prediction import Prediction, to_probabilities
from terrazzo.predict.segment import to_ids
from terrazzo.predict.video import Motion, Smoother, measure_motion
from terrazzo.predict.video.flicker import FlickerCounter
from terrazzo.predict.video.motion import MotionMeter
from tests.predict.video.made import square, wall


def _texture(rng: np.random.Generator, size: tuple[int, int], blur: float) -> NDArray[np.uint8]:
    """Return blurred noise over the full range: it has no period that could be mistaken for a shift."""
    noise = cv2.GaussianBlur(rng.random((*size, 3)), (0, 0), blur)
    return np.asarray(255 * (noise - noise.min()) / np.ptp(noise), dtype=np.uint8)


def test_motion__of_a_shifted_picture_is_the_shift_at_any_size() -> None:
    for height, width in ((120, 160), (600, 1200)):
        large = _texture(np.random.default_rng(1), (height, width + 24), 6)
        motion = measure_motion(large[:, 12:-12], large[:, 6:-18])  # everything moves 6 pixels to the right
        scale = motion.flow_nm2.shape[1] / width
        middle = motion.flow_nm2[10:-10, int(20 * scale) : -10]
        assert np.median(middle[..., 0]) == pytest.approx(-6, abs=0.5)
        assert np.median(middle[..., 1]) == pytest.approx(0, abs=0.3)
        assert motion.trusted_nm[10:-10, int(20 * scale) : -10].mean() > 0.9
        assert motion.still_nm.mean() < 0.05


def test_motion__still_is_all_but_what_moves() -> None:
    size = (120, 160)
    motion = measure_motion(square(0, size, 4), square(1, size, 4))
    still = motion.still()
    assert still.shape == size
    assert not still[16:24, 4:8].any()  # uncovered by the square
    assert still[60:].mean() > 0.98
    assert measure_motion(wall(), wall()).still().all()


def test_motion__of_a_small_thing_by_one_pixel_is_no_stillness() -> None:
    rng = np.random.default_rng(2)
    ground, thing = _texture(rng, (96, 128), 2), _texture(rng, (24, 24), 2)
    before, after = ground.copy(), ground.copy()
    before[40:64, 50:74], after[40:64, 51:75] = thing, thing
    motion = measure_motion(before, after)
    assert np.median(motion.flow_nm2[44:60, 55:70, 0]) == pytest.approx(-1, abs=0.3)
    assert motion.still()[42:62, 53:72].mean() < 0.1


def test_motion__a_change_of_light_is_no_stillness_and_a_cut_is_not_trusted() -> None:
    picture = wall((96, 96))
    lighter = picture + np.uint8(30)
    assert measure_motion(picture, lighter).still_nm.mean() < 0.05
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    assert measure_motion(picture, noise).trusted_nm.mean() < 0.3


def test_motion_meter__begins_anew_at_another_size() -> None:
    meter = MotionMeter()
    assert meter(wall((40, 40))) is None
    assert meter(wall((40, 50))) is None
    assert meter(wall((40, 50))) is not None
    assert meter(wall((40, 50))[..., :1]) is not None  # grey is fine


def _still(size: tuple[int, int], flow: tuple[float, float] = (0, 0)) -> Motion:
    ones = np.ones(size, dtype=np.bool_)
    return Motion(np.full((*size, 2), flow, np.float32), ones, ones, size)


def _prediction(probabilities_Khw: NDArray[Any], stride: int, **more: Any) -> Prediction:
    logits = torch.from_numpy(np.log(probabilities_Khw)).float()[None]
    size = tuple(side * stride for side in logits.shape[2:])
    return Prediction(logits, stride=stride, size=size, **more)


def test_smoother__is_an_exponential_mean_of_probabilities() -> None:
    rng = np.random.default_rng(2)
    shares = [rng.dirichlet((1, 1, 1), (6, 8)).transpose(2, 0, 1) for _ in range(3)]
    smoother, motion = Smoother(0.25), _still((6, 8))
    mean = shares[0]
    for index, share in enumerate(shares):
        mean = share if index == 0 else 0.25 * share + 0.75 * mean
        smoothed = smoother(_prediction(share, 1), motion if index else None)
        assert to_probabilities(smoothed) == pytest.approx(mean, abs=1e-5)
    again = smoother(_prediction(shares[0], 1), None)  # nothing to follow
    assert to_probabilities(again) == pytest.approx(shares[0], abs=1e-5)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("stride", [1, 4])
def test_smoother__follows_what_moves(stride: int, align_corners: bool) -> None:
    places = np.arange(16) if not align_corners else np.linspace(0, 16 * stride - 1, 16) / stride
    ramp = np.broadcast_to(0.1 + 0.8 * places / 16, (8, 16))
    before = np.stack([ramp, 1 - ramp])
    new = np.full_like(before, 0.5)
    smoother = Smoother(0.5)
    smoother(_prediction(before, stride, align_corners=align_corners), None)
    # each point was two logits further to the right
    motion = _still((8 * stride, 16 * stride), (2.0 * stride, 0))
    logits = smoother(_prediction(new, stride, align_corners=align_corners), motion).logits[0]
    moved = 2 * logits.exp().numpy() - 0.5
    expected = np.minimum(0.1 + 0.8 * (places + 2) / 16, ramp[0].max())
    assert moved[0][:, :13] == pytest.approx(np.broadcast_to(expected, (8, 16))[:, :13], abs=1e-3)


def test_smoother__takes_the_new_frame_where_flow_is_not_trusted() -> None:
    old, new = np.full((2, 6, 8), 0.5), np.stack([np.full((6, 8), 0.9), np.full((6, 8), 0.1)])
    trusted = np.ones((6, 8), dtype=np.bool_)
    trusted[:, :4] = False
    motion = Motion(np.zeros((6, 8, 2), np.float32), trusted, trusted, (6, 8))
    smoother = Smoother(0.5)
    smoother(_prediction(old, 1), None)
    shares = to_probabilities(smoother(_prediction(new, 1), motion))
    assert shares[0, :, :4] == pytest.approx(0.9)
    assert shares[0, :, 4:] == pytest.approx(0.7)


def test_smoother__labels_alone_are_those_of_the_model() -> None:
    logits = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 4, 6, 8))).float()
    prediction = Prediction(logits, stride=4, size=(24, 32))
    assert np.array_equal(to_ids(Smoother(0.5)(prediction, None)), to_ids(prediction))


@pytest.mark.parametrize("alpha", [0, 1, -1, float("nan")])
def test_smoother__refuses_other_shares(alpha: float) -> None:
    with pytest.raises(RequestError, match="expected the share of the new frame, above 0 and below 1"):
        Smoother(alpha)


def test_flicker__counts_changes_where_nothing_moves_alone() -> None:
    still = np.zeros((4, 5), dtype=np.bool_)
    still[:2] = True
    motion = Motion(np.zeros((4, 5, 2), np.float32), still, still, (4, 5))
    first, second = np.zeros((4, 5), np.uint8), np.zeros((4, 5), np.uint8)
    second[0, :3] = 1  # three of ten still pixels
    second[2:] = 1  # what moves may change
    counter = FlickerCounter()
    counter.add(None, first, first)
    counter.add(motion, second, first)
    counter.add(motion, second, first)
    result = counter.result()
    assert (result.plain, result.smoothed, result.still, result.pairs) == (3 / 20, 0, 0.5, 2)


def test_flicker__of_one_frame_or_constant_motion_is_unknown() -> None:
    counter = FlickerCounter()
    counter.add(None, np.zeros((4, 5), np.uint8))
    assert counter.result().plain is None
    never = np.zeros((4, 5), dtype=np.bool_)
    counter.add(Motion(np.ones((4, 5, 2), np.float32), never, never, (4, 5)), np.ones((4, 5), np.uint8))
    assert (counter.result().plain, counter.result().smoothed, counter.result().pairs) == (None, None, 1)
