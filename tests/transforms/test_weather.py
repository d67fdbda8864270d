"""Weather is what it is called, and knows where the horizon is."""

import cv2
import numpy as np
import pytest

from terrazzo.transforms.apply import view_through, whole_view
from terrazzo.transforms.operation import Pixels, View
from terrazzo.transforms.weather import Fog, Night, Rain, Shadow, Snow, draw_shadow
from terrazzo.transforms.weather.air import FARTHEST, distance

SIZE = (160, 224)
VIEW = View(horizon=72.0, ground=160.0, low=0.0, high=255.0)


def flat(tone: int = 90) -> Pixels:
    return np.full((*SIZE, 3), tone, np.uint8)


def test_distance__grows_towards_the_horizon_and_falls_a_little_above() -> None:
    away = distance(SIZE, VIEW)[:, 0]
    assert away[-1] == pytest.approx(1.0, abs=0.02)
    assert (np.diff(away[73:]) < 0).all()
    assert away.max() <= FARTHEST
    assert away[0] < away[70]


def test_fog__thickens_with_distance_and_density() -> None:
    tones = {}
    for density in (0.05, 0.2):
        out = Fog(density, 0.9, patches=0.0, key=1).paint(flat(), VIEW).mean(axis=(1, 2))
        assert out[75] > out[110] > out[159] > 90
        tones[density] = out
    assert (tones[0.2] >= tones[0.05]).all()


def test_fog__a_crop_of_the_ground_gets_less_than_one_of_the_horizon() -> None:
    """The same window of a scene is in the same fog, wherever the crop lies in it."""
    source = flat()
    low = view_through(np.array([[1, 0, 0], [0, 1, -110], [0, 0, 1.0]]), source)
    assert low.horizon == pytest.approx(0.45 * 160 - 110)
    whole = Fog(0.1, 0.9, 0.0, 1).paint(source, whole_view(source))[110:].mean()
    part = Fog(0.1, 0.9, 0.0, 1).paint(source[110:], low).mean()
    assert part == pytest.approx(whole, abs=8)  # the grey of the air is each picture's own


def test_night__is_dark_and_noisy_and_colder() -> None:
    out = Night(1.0, 0.0, 0.5, 3).paint(flat(150), VIEW).astype(float)
    assert out.mean() < 40
    assert np.diff(out, axis=1).std() > 3  # from one pixel to the next: noise, no gradient
    assert out[..., 2].mean() > out[..., 0].mean()
    assert out[:40].mean() < out[120:].mean()


def test_night__headlights_shine_on_the_road_ahead() -> None:
    dark = Night(0.9, 0.0, 0.5, 3).paint(flat(150), VIEW).astype(float)
    lit = Night(0.9, 0.45, 0.5, 3).paint(flat(150), VIEW).astype(float)
    gain = (lit - dark).mean(axis=2)
    assert gain[100:140, 100:124].mean() > 10 * max(gain[100:140, :10].mean(), 0.1)
    assert abs(gain[:60]).max() < 6


def test_rain__streaks_are_long_thin_and_lean_as_drawn() -> None:
    image = flat()
    for slant in (-20.0, 20.0):
        out = Rain(0.4, slant, 5).paint(image, VIEW)[..., 1].astype(np.float32)
        fine = out - cv2.GaussianBlur(out, (0, 0), 4)
        # Orientation by the structure tensor: streaks lie along the smaller eigenvector.
        gx, gy = cv2.Sobel(fine, cv2.CV_32F, 1, 0), cv2.Sobel(fine, cv2.CV_32F, 0, 1)
        angle = 0.5 * np.degrees(np.arctan2(2 * (gx * gy).sum(), (gx * gx).sum() - (gy * gy).sum()))
        assert -angle == pytest.approx(slant, abs=6)


def test_snow__flakes_are_bright_spots_of_many_sizes() -> None:
    out = Snow(0.5, (0.2, 0.5), 2).paint(flat(60), VIEW)
    spots = (out[:60].min(axis=2) > 140).astype(np.uint8)  # the sky's part: no ground that turns white
    count, _, facts, _ = cv2.connectedComponentsWithStats(spots)
    areas = facts[1:, cv2.CC_STAT_AREA]
    assert count > 30
    assert areas.max() >= 4 * np.median(areas)
    assert spots.mean() < 0.25


def test_shadow__lies_on_the_ground_with_soft_edges() -> None:
    lit = flat(200).astype(float)
    for seed in range(12):
        out = draw_shadow(1.0, np.random.default_rng(seed)).paint(flat(200), VIEW).astype(float)
        assert (lit[:40] - out[:40]).max() <= 0.2 * 200
        steps = np.abs(np.diff(out[90:, :, 1], axis=0)).max()
        assert steps < 0.55 * 200  # no edge falls from light to dark within one pixel
    assert out.min() < 100


def test_shadow__keeps_more_blue() -> None:
    square = (((0.2, 0.2), (0.8, 0.2), (0.8, 0.9), (0.2, 0.9)),)
    out = Shadow(0.6, square, 0.01).paint(flat(200), VIEW)
    assert out[120, 112, 2] > out[120, 112, 0]
