"""Geometry in one warp: the same as step by step, image and mask together, void outside."""

import numpy as np
import pytest

from terrazzo.transforms.bends import Elastic, GridDistortion
from terrazzo.transforms.geometric import Window
from terrazzo.transforms.moves import Affine, Flip, Perspective, Rot90, Rotate, Scale
from terrazzo.transforms.operation import Bend, Move, Pixels
from terrazzo.transforms.warp import map_points, plan_course, warp, window_matrix

WHOLE = Window(0, 0, 60, 80)
MOVES: list[Move] = [
    Rotate(20.0),
    Affine(10.0, (0.2, -0.1), (1.2, 0.9), (0.05, -0.1)),
    Perspective(((0.1, 0.05), (0.0, 0.1), (-0.05, 0.1), (0.1, 0.1))),
    Scale(1.4),
    Scale(0.6),
    Flip(vertical=False),
    Flip(vertical=True),
    Rot90(1),
]
BENDS: list[Elastic | GridDistortion] = [Elastic(0.03, 6, 11), GridDistortion(0.4, 5, 12)]


def scene(height: int = 60, width: int = 80) -> tuple[Pixels, Pixels]:
    """An image whose channels are 60 times the mask."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 4, (-(-height // 12), -(-width // 12))).astype(np.uint8)
    mask = np.kron(coarse, np.ones((12, 12), np.uint8))[:height, :width]
    return np.repeat((60 * mask)[..., None], 3, axis=2), mask


def do(
    *steps: Move | Bend, window: Window = WHOLE, crop: tuple[int, int] = (60, 80)
) -> tuple[Pixels, Pixels]:
    return warp(*scene(), plan_course(window, steps, crop), crop, 255)


def test_warp__nothing_to_do_is_the_picture() -> None:
    image, mask = scene()
    out = do()
    np.testing.assert_array_equal(out[0], image)
    np.testing.assert_array_equal(out[1], mask)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (Flip(vertical=False), lambda a: a[:, ::-1]),
        (Flip(vertical=True), lambda a: a[::-1]),
        (Rot90(2), lambda a: a[::-1, ::-1]),
    ],
)
def test_warp__mirrors_are_exact(step: Move, expected: object) -> None:
    image, mask = scene()
    out = do(step)
    np.testing.assert_array_equal(out[0], expected(image))  # type: ignore[operator]
    np.testing.assert_array_equal(out[1], expected(mask))  # type: ignore[operator]


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_warp__quarter_turns_of_a_square_are_exact(turns: int) -> None:
    image, mask = scene(40, 40)
    course = plan_course(Window(0, 0, 40, 40), [Rot90(turns)], (40, 40))
    out = warp(image, mask, course, (40, 40), 255)
    np.testing.assert_array_equal(out[0], np.rot90(image, turns))
    np.testing.assert_array_equal(out[1], np.rot90(mask, turns))


@pytest.mark.parametrize("step", [*MOVES, *BENDS], ids=str)
def test_warp__image_and_mask_stay_together(step: Move | Bend) -> None:
    """The labels can be read in the image, but for the borders between them."""
    out, labels = do(step)
    inner = _inner(labels) & (labels != 255)
    assert inner.sum() > 500
    assert (np.rint(out[..., 0] / 60) == labels)[inner].mean() > 0.99
    assert set(np.unique(labels).tolist()) <= {0, 1, 2, 3, 255}


@pytest.mark.parametrize(
    "steps", [(MOVES[0], MOVES[2], MOVES[5]), (MOVES[3], MOVES[0]), (MOVES[7], MOVES[1])]
)
def test_course__moves_are_joined_in_order(steps: tuple[Move, ...]) -> None:
    """One matrix leads where the steps lead one after the other."""
    points = np.array([(3.0, 4.0), (70.0, 50.0), (40.0, 10.0)])
    moved = map_points(window_matrix(WHOLE, (60, 80)), points)
    for step in steps:
        moved = map_points(step.matrix((60, 80)), moved)
    course = plan_course(WHOLE, steps, (60, 80))
    assert course.rest == ()
    np.testing.assert_allclose(map_points(course.matrix, points), moved, atol=1e-9)
    np.testing.assert_allclose(course.back(moved), points, atol=1e-9)


def test_course__a_bend_between_moves_is_followed_back() -> None:
    """Rotation after a bend moves the bend's pattern along; the way back must agree with it."""
    bend, turn = BENDS[0], Rotate(90.0)
    course = plan_course(Window(0, 0, 40, 40), [bend, turn], (40, 40))
    places = np.array([(10.0, 12.0), (30.0, 25.0)])
    unturned = map_points(np.linalg.inv(turn.matrix((40, 40))), places)
    field = bend.displacement((40, 40))
    rows, columns = np.rint(unturned[:, 1]).astype(int), np.rint(unturned[:, 0]).astype(int)
    np.testing.assert_allclose(course.back(places), unturned + field[rows, columns], atol=1e-3)


def test_warp__window_and_turn_see_what_lies_beyond_the_crop() -> None:
    """A turned crop out of the middle has no corners of void: its pixels come from around the window."""
    inner = Window(20, 25, 20, 30)
    _, labels = do(Rotate(15.0), window=inner, crop=(20, 30))
    assert (labels != 255).all()


def test_warp__outside_is_void_and_grey() -> None:
    out, labels = do(Scale(0.5))
    assert labels[0, 0] == labels[-1, -1] == 255
    assert out[0, 0].tolist() == [115] * 3
    assert 0.2 < (labels != 255).mean() < 0.3


def test_warp__shrinking_averages() -> None:
    """Every fourth column is white: an average is a quarter of white, wherever single samples fall."""
    stripes = np.zeros((64, 64, 1), np.uint8)
    stripes[:, ::4] = 200
    course = plan_course(Window(0, 0, 64, 64), [Rotate(0.01)], (16, 16))
    out, _ = warp(stripes, np.zeros((64, 64), np.uint8), course, (16, 16), 255)
    assert np.abs(out[2:-2, 2:-2].astype(int) - 50).max() <= 8


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3, 4, 7])
@pytest.mark.parametrize("step", [Rotate(9.0), MOVES[2], BENDS[1]], ids=["turn", "perspective", "grid"])
def test_warp__any_dtype_and_channels(step: Move | Bend, channels: int, dtype: type) -> None:
    image, mask = scene()
    wide: Pixels = np.repeat(image[..., :1], channels, axis=2).astype(dtype)
    course = plan_course(WHOLE, [step], (30, 44))
    out, labels = warp(wide, mask.astype(np.int16), course, (30, 44), -1)
    assert out.shape == (30, 44, channels)
    assert out.dtype == dtype
    assert labels.dtype == np.int16


def test_elastic__hardly_ever_folds_at_full_strength() -> None:
    shares = []
    for key in range(20):
        field = Elastic(0.2 / 6, 6, key).displacement((120, 160)).astype(float)
        along = 1 + np.diff(field[..., 0], axis=1)
        shares.append((along < 0).mean())
    assert np.mean(shares) < 0.01


def _inner(labels: Pixels) -> np.ndarray:
    """Pixels whose neighbours two steps away all round have the same label."""
    same = np.zeros(labels.shape, dtype=bool)
    core = labels[2:-2, 2:-2]
    shifts = [(0, 2), (4, 2), (2, 0), (2, 4), (0, 0), (4, 4), (0, 4), (4, 0), (1, 2), (3, 2), (2, 1), (2, 3)]
    equal = [labels[r : r + core.shape[0], c : c + core.shape[1]] == core for r, c in shifts]
    same[2:-2, 2:-2] = np.all(equal, axis=0)
    return same
