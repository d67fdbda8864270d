"""Listed operations: what a recipe may say, the order of things, counted randomness."""

import pickle
from typing import Any

import numpy as np
import pytest

from terrazzo.core import RequestError
from terrazzo.core.randomness import Stream, generator
from terrazzo.transforms import OPERATIONS, CropTransform, build_transform
from terrazzo.transforms.moves import draw_flip
from terrazzo.transforms.operation import Pixels

ALL = [{"kind": kind, "strength": [0.2, 0.8], "probability": 0.7} for kind in sorted(OPERATIONS)]


def scene(height: int = 90, width: int = 120) -> tuple[Pixels, Pixels]:
    rng = np.random.default_rng(0)
    mask = np.kron(rng.integers(0, 4, (9, 12)), np.ones((10, 10), np.int64)).astype(np.uint8)
    image = (55 * mask[..., None] + rng.integers(0, 40, (*mask.shape, 3))).astype(np.uint8)
    return image[:height, :width], mask[:height, :width]


def build(*operations: dict[str, Any], preset: str = "plain", **options: Any) -> Any:
    return build_transform(
        preset,
        crop=(48, 64),
        ignore_index=255,
        num_classes=4,
        operations=operations,
        class_names=("road", "car", "tree", "sky"),
        **options,
    )


def test_build_transform__without_operations_it_is_the_preset() -> None:
    assert isinstance(build(preset="strong"), CropTransform)


def test_pipeline__the_key_decides_every_bit() -> None:
    image, mask = scene()
    transform = build(*ALL, preset="strong")
    for index in range(4):
        one, two = (transform(image, mask, generator(3, Stream.TRANSFORM, 1, index)) for _ in range(2))
        np.testing.assert_array_equal(one[0], two[0])
        np.testing.assert_array_equal(one[1], two[1])
    made = {transform(image, mask, generator(3, Stream.TRANSFORM, e, 0))[0].tobytes() for e in range(6)}
    assert len(made) == 6


def test_pipeline__a_drawn_plan_can_be_done_again() -> None:
    image, mask = scene()
    transform = build(*ALL, preset="strong")
    plan = transform.plan(mask, generator(0, Stream.TRANSFORM, 5))
    again = pickle.loads(pickle.dumps(plan))
    np.testing.assert_array_equal(
        transform.render(image, mask, plan)[0], transform.render(image, mask, again)[0]
    )
    assert [step.kind for step in plan.steps] == [line.split()[0] for line in plan.describe()]


def test_pipeline__pickles_for_worker_processes() -> None:
    image, mask = scene()
    transform = build(*ALL, {"kind": "class_crop", "options": {"classes": ["car"]}})
    again = pickle.loads(pickle.dumps(transform))
    one, two = (t(image, mask, generator(0, Stream.TRANSFORM, 9)) for t in (transform, again))
    np.testing.assert_array_equal(one[0], two[0])


def test_pipeline__probability_and_strength_are_what_the_list_says() -> None:
    _, mask = scene()
    transform = build({"kind": "rain", "strength": [0.3, 0.6], "probability": 0.25})
    plans = [transform.plan(mask, generator(s, Stream.TRANSFORM)) for s in range(400)]
    strengths = [step.strength for plan in plans for step in plan.steps]
    assert 70 < len(strengths) < 130
    assert 0.3 <= min(strengths) < 0.34
    assert 0.56 < max(strengths) <= 0.6


def test_pipeline__a_fixed_strength_is_exact_and_half_is_the_default() -> None:
    _, mask = scene()
    exact, default = build({"kind": "fog", "strength": 0.7, "probability": 1}), build({"kind": "fog"})
    assert exact.plan(mask, generator(0, Stream.TRANSFORM)).describe() == ("fog 0.70",)
    plans = [default.plan(mask, generator(s, Stream.TRANSFORM)).steps for s in range(200)]
    assert 70 < sum(len(steps) for steps in plans) < 130
    assert {step.strength for steps in plans for step in steps} == {0.5}


def test_flip__amount_is_how_often() -> None:
    happened = [draw_flip(0.3, generator(s, Stream.TRANSFORM)) is not None for s in range(500)]
    assert 110 < sum(happened) < 190


def test_pipeline__picture_operations_keep_the_order_of_the_list() -> None:
    image, mask = scene()
    gamma, blur = ({"kind": kind, "strength": 0.9, "probability": 1} for kind in ("gamma", "blur"))
    plans = [
        build(*pair).plan(mask, generator(1, Stream.TRANSFORM)) for pair in ((gamma, blur), (blur, gamma))
    ]
    assert [[step.kind for step in plan.steps] for plan in plans] == [["gamma", "blur"], ["blur", "gamma"]]
    one, two = (
        build(*pair)(image, mask, generator(1, Stream.TRANSFORM)) for pair in ((gamma, blur), (blur, gamma))
    )
    assert not np.array_equal(one[0], two[0])


def test_pipeline__turned_crops_show_what_lies_around_them() -> None:
    image, mask = scene()
    turn = build({"kind": "rotate", "strength": 0.5, "probability": 1}, {"kind": "center_crop"})
    labels = turn(image, mask, generator(0, Stream.TRANSFORM))[1]
    assert (labels != 255).all()


def test_pipeline__sixteen_bits_know_black_and_white_from_the_whole_source() -> None:
    """Twelve bits in sixteen: the padding's grey must not stretch the range that weather works in."""
    image, mask = scene(30, 40)
    wide = image.astype(np.uint16) * 16
    out, labels = build({"kind": "gamma", "strength": 0.5, "probability": 1})(
        wide, mask, generator(0, Stream.TRANSFORM)
    )
    assert (labels == 255).any()
    assert out.max() <= wide.max()
    assert out[labels != 255].std() > 0.3 * wide.std()


def test_center_crop__is_the_middle() -> None:
    image, mask = scene()
    out, labels = build({"kind": "center_crop"})(image, mask, generator(0, Stream.TRANSFORM))
    np.testing.assert_array_equal(out, image[21:69, 28:92])
    np.testing.assert_array_equal(labels, mask[21:69, 28:92])


def test_random_crop__has_no_cap() -> None:
    image, mask = scene()
    mask[:] = 0
    mask[:40, :40] = 1
    crops = [
        build({"kind": "random_crop"})(image, mask, generator(s, Stream.TRANSFORM))[1] for s in range(60)
    ]
    capped = [build({"kind": "gamma"})(image, mask, generator(s, Stream.TRANSFORM))[1] for s in range(60)]
    assert np.mean([(c == 0).mean() for c in crops]) > np.mean([(c == 0).mean() for c in capped])


def test_class_crop__finds_the_rare_class_and_falls_back() -> None:
    image, mask = scene()
    mask[:] = 0
    mask[80:84, 100:104] = 1
    aim = build({"kind": "class_crop", "options": {"classes": ["car"], "chance": 1.0}})
    seen = [(aim(image, mask, generator(s, Stream.TRANSFORM))[1] == 1).any() for s in range(50)]
    assert all(seen)
    other = build({"kind": "class_crop", "options": {"classes": [2], "chance": 1.0}})
    assert other(image, mask, generator(0, Stream.TRANSFORM))[1].shape == (48, 64)
    every = build({"kind": "class_crop", "options": {"chance": 1.0}})
    share = np.mean([(every(image, mask, generator(s, Stream.TRANSFORM))[1] == 1).any() for s in range(200)])
    assert share > 0.5  # one of two classes, whatever their pixels, and by chance


@pytest.mark.parametrize(
    ("listed", "sentence"),
    [
        ({"kind": "rian"}, "Unknown operation 'rian': did you mean 'rain'"),
        ({"kind": "colour_jitter"}, "did you mean 'color_jitter'"),
        ({"kind": "rain", "strenght": 1}, "An operation has no key 'strenght': did you mean 'strength'"),
        ({"strength": 1}, "has no kind"),
        ({"kind": "rain", "strength": 2}, "strength of 'rain' is 2; expected a number from 0 to 1, or two"),
        ({"kind": "rain", "strength": [0.8, 0.2]}, r"is \[0.8, 0.2\]; expected .* the smaller first"),
        ({"kind": "rain", "strength": True}, "strength of 'rain' is True"),
        ({"kind": "rain", "probability": 1.5}, "probability of 'rain' is 1.5; expected a number from 0 to 1"),
        ({"kind": "rain", "options": {"slat": 3}}, "has no option 'slat': did you mean 'slant'"),
        ({"kind": "rain", "options": {"amount": 1}}, "has no option 'amount'"),
        (
            {"kind": "copy_paste", "options": {"classes": ["cars"]}},
            "Unknown class 'cars': did you mean 'car'",
        ),
        ({"kind": "center_crop", "strength": 0.5}, "'center_crop' chooses every crop and has no strength"),
        ({"kind": "class_crop", "probability": 0.5}, "leave them out, or set options.chance"),
    ],
)
def test_build_transform__mistakes_in_the_list(listed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        build(listed)


def test_build_transform__one_crop_is_enough() -> None:
    with pytest.raises(RequestError, match="one way to choose the crop, but random_crop and center_crop"):
        build({"kind": "random_crop"}, {"kind": "center_crop"})
