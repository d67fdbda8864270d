"""Trees and bushes: crowns of many lit clumps, cut out once per process, stamped in all sizes and tints."""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from terrazzo.datasets.scenery.canvas import Canvas, Label, upright
from terrazzo.datasets.scenery.light import Color

_SIDE = 128
_KINDS = 10
CutOut = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def paint_tree(
    canvas: Canvas, rng: np.random.Generator, x: float, z: float, height: float, leaf: Color
) -> None:
    """Paint a tree or conifer that stands at (x, z); `leaf` is the colour of its leaves."""
    conifer = bool(rng.random() < 0.22)
    kind = int(rng.integers(_KINDS))
    alpha, tone = (_conifers() if conifer else _crowns())[kind]
    wide = height * float(rng.uniform(0.34, 0.46) if conifer else rng.uniform(0.6, 0.95))
    trunk = height * (0.12 if conifer else float(rng.uniform(0.22, 0.36)))
    bark = np.array([92.0, 72, 56]) * rng.uniform(0.6, 1.2)
    thick = 0.025 * height * float(rng.uniform(0.7, 1.2))
    left, right, above_right, above_left = upright((x - thick, x + thick), (0, trunk + 0.25 * height), z)
    tip = 0.45 * thick
    stem = (left, right, (above_right[0] - tip, *above_right[1:]), (above_left[0] + tip, *above_left[1:]))
    canvas.face(stem, bark, Label.TREE, (0.5 if x < canvas.camera.eye else -0.5, 0, -0.85))
    _stamp(canvas, (alpha, tone), (x - wide / 2, x + wide / 2), (trunk, height), z, leaf)


def paint_bush(canvas: Canvas, rng: np.random.Generator, x: float, z: float, leaf: Color) -> None:
    """Paint a bush."""
    wide, high = float(rng.uniform(1.0, 2.4)), float(rng.uniform(0.7, 1.5))
    cut = _crowns()[int(rng.integers(_KINDS))]
    _stamp(canvas, cut, (x - wide / 2, x + wide / 2), (-0.15, high), z, leaf)


def _stamp(
    canvas: Canvas, cut: CutOut, x: tuple[float, float], y: tuple[float, float], z: float, leaf: Color
) -> None:
    alpha, tone = cut
    if canvas.light.toward_sun[0] < 0:  # cut-outs are lit from the right
        alpha, tone = _mirrored(alpha), _mirrored(tone)
    left, bottom = canvas.camera.place((x[0], y[0], z))
    right, top = canvas.camera.place((x[1], y[1], z))
    canvas.stamp(alpha, tone, _tint(canvas, leaf, z), (left, top, right, bottom), Label.TREE)


def _mirrored(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.flip(pixels, 1), dtype=np.uint8)


def _tint(canvas: Canvas, leaf: Color, z: float) -> NDArray[np.uint8]:
    """Return the 256 colours of a crown, from shade to full sun, seen from a distance."""
    light = canvas.light
    share = np.linspace(0, 1, 256)[:, None]
    colors = leaf * (light.ambient * (0.35 + 0.75 * share) + light.sun * 0.95 * share**1.5)
    clear = float(np.exp(-z / light.sight))
    return np.clip(colors * clear + light.haze * (1 - clear), 0, 255).astype(np.uint8)


@lru_cache(maxsize=1)
def _crowns() -> tuple[CutOut, ...]:
    """Cut round crowns: clumps from back to front, the upper right ones bright."""
    rng = np.random.default_rng(20)
    return tuple(_crown(rng) for _ in range(_KINDS))


def _crown(rng: np.random.Generator) -> CutOut:
    alpha = np.zeros((_SIDE, _SIDE), dtype=np.uint8)
    tone = np.zeros_like(alpha)
    squash = rng.uniform(0.75, 1.0)
    for step in range(170):
        angle, radius = rng.uniform(0, 2 * np.pi), rng.uniform(0, 1) ** 0.6
        reach = 0.72 + 0.1 * np.sin(3 * angle + squash * 9)
        dx, dy = np.cos(angle) * radius * reach, np.sin(angle) * radius * reach * squash
        center = (round(_SIDE * (0.5 + dx * 0.5)), round(_SIDE * (0.52 + dy * 0.5)))
        size = max(3, round(_SIDE * rng.uniform(0.05, 0.13) * (1.25 - 0.55 * step / 170)))
        bright = 118 + 70 * (-dy) + 44 * dx + 42 * step / 170 + rng.normal(0, 24)
        cv2.circle(alpha, center, size, 255, -1)
        cv2.circle(tone, center, size, float(np.clip(bright, 0, 255)), -1)
    leaves = cv2.GaussianBlur(tone, (3, 3), 0) + rng.normal(0, 26, tone.shape)
    return _ragged(alpha, rng), np.clip(leaves, 0, 255).astype(np.uint8)


@lru_cache(maxsize=1)
def _conifers() -> tuple[CutOut, ...]:
    """Cut conifers: rows of hanging branches, wider toward the ground."""
    rng = np.random.default_rng(21)
    return tuple(_conifer(rng) for _ in range(_KINDS))


def _conifer(rng: np.random.Generator) -> CutOut:
    alpha = np.zeros((_SIDE, _SIDE), dtype=np.uint8)
    tone = np.zeros_like(alpha)
    rows = int(rng.integers(6, 10))
    for row in range(rows, 0, -1):
        base, half = _SIDE * (row / rows), _SIDE * 0.5 * (0.12 + 0.85 * row / rows) * rng.uniform(0.85, 1.05)
        top = base - _SIDE * 1.9 / rows
        for share, bright in ((1.0, 95), (0.55, 150)):
            x0, x1 = (
                64 - half * share + (1 - share) * half * 0.6,
                64 + half * share + (1 - share) * half * 0.35,
            )
            corners = np.array([(64, top), (x1, base), (64, base + 4), (x0, base)], dtype=np.int32)
            cv2.fillPoly(alpha, [corners], 255)
            cv2.fillPoly(tone, [corners], float(bright + rng.normal(0, 12)))
    return _ragged(alpha, rng), np.clip(tone + rng.normal(0, 22, tone.shape), 0, 255).astype(np.uint8)


def _ragged(alpha: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Fray the edge of a cut-out."""
    soft = cv2.GaussianBlur(alpha, (9, 9), 0).astype(np.float32)
    noise = cv2.resize(rng.normal(0, 60, (48, 48)).astype(np.float32), alpha.shape[::-1])
    kept = (soft + noise > 127) & (soft > 8)
    return np.asarray(kept, dtype=np.uint8) * np.uint8(255)
