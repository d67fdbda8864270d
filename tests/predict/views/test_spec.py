"""The text of `--tta`: which views it means, and what is said where it means nothing."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch

from terrazzo.core.errors import RequestError
from terrazzo.predict.views.spec import UPRIGHT, Orientation, parse_tta


@pytest.mark.parametrize(
    ("text", "views"),
    [
        ("none", 1),
        ("hflip", 2),
        ("hflip,vflip", 4),
        ("rot90", 4),
        ("hflip,rot90", 8),
        ("hflip,vflip,rot90", 8),
        ("rot=180", 2),
        ("rot=90:270", 3),
        ("hflip,dflip", 4),
        ("scale=1", 1),
        ("scale=0.5:2", 3),
        ("scale=0.75:1:1.25", 3),
        ("hflip,vflip,rot90,scale=0.75:1:1.25,merge=tsharpen", 24),
    ],
)
def test_parse__every_combination_once(text: str, views: int) -> None:
    spec = parse_tta(text)
    assert len(spec) == views
    assert len(set(spec.orientations)) == len(spec.orientations)
    assert spec.orientations[0] == UPRIGHT
    assert spec.scales[0] == 1


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (("none", "scale=1", "merge=max"), "none"),
        (("hflip", " HFLIP , merge = mean "), "hflip,merge=mean (2 views)"),
        (("hflip,vflip", "vflip,hflip", "hflip,rot=180"), "hflip,vflip,merge=mean (4 views)"),
        (("rot90,vflip", "hflip,rot90", "rot=90:180:270,hflip,vflip"), "hflip,rot90,merge=mean (8 views)"),
        (("rot=270:90",), "rot=90:270,merge=mean (3 views)"),
        (
            ("merge=tsharpen,scale=1.25:0.75,hflip", "hflip,scale=0.75:1:1.25,merge=tsharpen"),
            "hflip,scale=0.75:1:1.25,merge=tsharpen (6 views)",
        ),
    ],
)
def test_words__the_same_views_are_the_same_words(texts: tuple[str, ...], words: str) -> None:
    assert {parse_tta(text).words for text in texts} == {words}


def test_words__every_set_of_flips_and_turns_has_some() -> None:
    for flips in itertools.product(("", "hflip"), ("", "vflip"), ("", "dflip")):
        for turns in itertools.chain(*(itertools.combinations(("90", "180", "270"), n) for n in range(4))):
            parts = [part for part in (*flips, f"rot={':'.join(turns)}" if turns else "") if part]
            spec = parse_tta(",".join(parts) or "none")
            if len(spec) > 1:
                again = parse_tta(spec.words.partition(" ")[0])
                assert again.orientations == spec.orientations


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "hfilp",
            r"Unknown part of test-time augmentation 'hfilp': did you mean 'hflip'\? Known: dflip, hflip",
        ),
        (
            "hflip,merge=tsharp",
            r"Unknown merge 'tsharp': did you mean 'tsharpen'\? Known: gmean, logits, max",
        ),
        ("hflip;vflip", "Unknown part of test-time augmentation 'hflip;vflip'"),
        ("hflip,hflip", "'hflip,hflip' names 'hflip' twice. Give it once"),
        ("hflip=2", "'hflip=2' in 'hflip=2': expected 'hflip'"),
        ("scale", "'scale' in 'scale': expected 'scale=0.75:1.25'"),
        ("hflip,merge=", "'merge=' in 'hflip,merge=': expected 'merge=mean'"),
        ("scale=0.5:big", "scale=big is no factor; expected numbers above 0 with colons between"),
        ("scale=0", "scale=0 is no factor"),
        ("scale=nan", "scale=nan is no factor"),
        ("scale=inf", "scale=inf is no factor"),
        ("rot=45", r"rot=45 cannot be undone exactly; expected quarter turns: 90, 180 or 270"),
        ("rot=279", r"rot=279 cannot .* \(did you mean 270\?\), or 'rot90' for all of them"),
        ("", "Test-time augmentation is empty. Give its parts, such as 'hflip,scale"),
        ("hflip,none", "Unknown part of test-time augmentation 'none'"),
    ],
)
def test_parse__wrong_text_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        parse_tta(text)


def test_orientation__undo_lays_upright_what_apply_laid_down() -> None:
    image_HWC = np.arange(5 * 7 * 2).reshape(5, 7, 2)
    laid: set[bytes] = set()
    for flip, turns in itertools.product((False, True), range(4)):
        orientation = Orientation(flip, turns)
        view_HWC = orientation.apply(image_HWC)
        upright_BKhw = orientation.undo(torch.from_numpy(view_HWC.copy()).movedim(-1, 0)[None])
        np.testing.assert_array_equal(upright_BKhw[0].movedim(0, -1).numpy(), image_HWC)
        laid.add(view_HWC.tobytes() + bytes(view_HWC.shape))
    assert len(laid) == 8


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hflip", lambda a: a[:, ::-1]),
        ("vflip", lambda a: a[::-1]),
        ("rot=90", np.rot90),
        ("rot=180", lambda a: a[::-1, ::-1]),
        ("rot=270", lambda a: np.rot90(a, 3)),
    ],
)
def test_orientation__is_what_its_name_says(text: str, expected: Any) -> None:
    image_HWC = np.arange(5 * 7 * 2).reshape(5, 7, 2)
    _, orientation = parse_tta(text).orientations
    np.testing.assert_array_equal(orientation.apply(image_HWC), expected(image_HWC))


def test_orientation__a_volume_turns_within_its_slices() -> None:
    volume_DHWC = np.arange(3 * 5 * 7 * 2).reshape(3, 5, 7, 2)
    orientation = Orientation(True, 1, depth=True)
    view_DHWC = orientation.apply(volume_DHWC)
    assert view_DHWC.shape == (3, 7, 5, 2)
    np.testing.assert_array_equal(view_DHWC[0], Orientation(True, 1).apply(volume_DHWC[2]))
    upright = orientation.undo(torch.from_numpy(view_DHWC.copy()).movedim(-1, 0)[None])
    np.testing.assert_array_equal(upright[0].movedim(0, -1).numpy(), volume_DHWC)
