"""The guided filter against its definition written as loops, and what follows from the definition."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from terrazzo.predict.postprocess.guided import guide, guided_filter

RANDOM = np.random.default_rng(5)
SHARES = RANDOM.dirichlet(np.ones(3), (9, 11)).transpose(2, 0, 1).astype(np.float32)


def windows(size: tuple[int, int], radius: int) -> dict[tuple[int, int], tuple[slice, slice]]:
    return {
        (y, x): (slice(max(0, y - radius), y + radius + 1), slice(max(0, x - radius), x + radius + 1))
        for y in range(size[0])
        for x in range(size[1])
    }


def by_definition(p: NDArray[Any], image: NDArray[Any], radius: int, eps: float) -> NDArray[np.float64]:
    """A ridge regression in every window (2013, equation 4), then the mean of those that hold a pixel."""
    values, channels = p.astype(np.float64), image.astype(np.float64)
    fits = {}
    for middle, (rows, columns) in windows(p.shape[:2], radius).items():
        inside = channels[:, rows, columns].reshape(len(channels), -1).T
        target = values[rows, columns].ravel()
        centred = inside - inside.mean(axis=0)
        covariance = centred.T @ centred / len(target) + eps * np.eye(len(channels))
        slope = np.linalg.solve(covariance, centred.T @ (target - target.mean()) / len(target))
        fits[middle] = slope, target.mean() - slope @ inside.mean(axis=0)
    out = np.empty(p.shape)
    for (y, x), (rows, columns) in windows(p.shape[:2], radius).items():
        here = [
            fits[b, a] for b in range(*rows.indices(p.shape[0])) for a in range(*columns.indices(p.shape[1]))
        ]
        out[y, x] = np.mean([slope @ channels[:, y, x] + offset for slope, offset in here])
    return out


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("radius", "eps"), [(1, 1e-3), (3, 1e-2)])
def test_guided_filter__is_the_regression_of_its_paper(channels: int, radius: int, eps: float) -> None:
    image = RANDOM.random((channels, 9, 11)).astype(np.float32)
    filtered = guided_filter(SHARES, image, radius, eps)
    for p, q in zip(SHARES, filtered, strict=True):
        np.testing.assert_allclose(q, by_definition(p, image, radius, eps), atol=2e-4)


@pytest.mark.parametrize("channels", [1, 3])
def test_guided_filter__the_classes_still_sum_to_one(channels: int) -> None:
    image = RANDOM.random((channels, 9, 11)).astype(np.float32)
    np.testing.assert_allclose(guided_filter(SHARES, image, 2, 1e-3).sum(axis=0), 1, atol=1e-4)


def test_guided_filter__a_flat_image_guides_to_the_mean_of_means() -> None:
    flat = np.full((1, 9, 11), 0.4, np.float32)
    p = np.zeros((1, 9, 11), np.float32)
    p[0, 4, 5] = 1
    filtered = guided_filter(p, flat, 1, 1e-3)
    assert filtered[0, 4, 5] == pytest.approx(1 / 9, abs=1e-5)
    assert filtered[0, 4, 7] == pytest.approx(1 / 27, abs=1e-5)
    assert filtered[0, 4, 8] == pytest.approx(0, abs=1e-6)


def test_guided_filter__an_outline_moves_to_the_edge_of_the_image() -> None:
    image = np.zeros((1, 20, 30), np.float32)
    image[..., 15:] = 1
    blurred = np.clip((np.arange(30, dtype=np.float32) - 9) / 8, 0, 1)  # a half at 13, two pixels off
    p = np.broadcast_to(blurred, (20, 30))
    refined = guided_filter(np.stack([1 - p, p]), image, 6, 1e-4)
    assert (refined.argmax(axis=0)[10] == (np.arange(30) >= 15)).all()


def test_guide__units_and_channels() -> None:
    grey = np.array([[0, 255], [51, 102]], np.uint8)
    np.testing.assert_allclose(guide(grey), np.array([[[0, 1], [0.2, 0.4]]], np.float32), rtol=1e-6)
    np.testing.assert_allclose(guide((grey * np.uint16(257))[..., None]), guide(grey), rtol=1e-6)
    assert guide(np.zeros((4, 5, 3), np.uint8)).shape == (3, 4, 5)
    five = RANDOM.normal(size=(4, 5, 5)).astype(np.float32)
    assert guide(five).shape == (1, 4, 5)
    assert (guide(five).min(), guide(five).max()) == (0, 1)
    assert not guide(np.full((4, 5), 7.0)).any()
