"""The card: strict on reading, plain JSON on writing."""

import json
from typing import Any

import pytest

from terrazzo.checkpoint.card import Card
from terrazzo.checkpoint.readme import render_readme
from terrazzo.checkpoint.save import make_card
from terrazzo.core.errors import CheckpointError, RequestError
from terrazzo.core.labels import LabelMap
from tests.checkpoint.tiny import LABELS, TinyNet

SCORES: dict[str, Any] = {
    "miou": 0.5678,
    "miou_interval": [0.5, 0.625],
    "pixel_accuracy": 0.9,
    "macro_f1": 0.61234,
    "per_class": [
        {"name": "sky", "iou": 0.75, "f1": 0.8, "precision": 0.8, "recall": 0.8, "pixels": 100},
        {"name": "road", "iou": float("nan"), "f1": None, "precision": None, "recall": None, "pixels": 0},
    ],
    "images": 101,
    "protocol": {"data": "camvid", "split": "val", "classes": ["sky", "road"], "tta": None},
}


def card() -> Card:
    model: Any = TinyNet()
    return make_card(
        model, LABELS, scores=SCORES, training={"recipe": {"model": {"kind": "tiny"}}, "seconds": 61.5}
    )


def changed(**changes: Any) -> bytes:
    data = json.loads(card().to_bytes())
    data |= changes
    return json.dumps({key: value for key, value in data.items() if value != "left out"}).encode()


def test_card__says_all_that_rebuilding_needs() -> None:
    made = card()
    assert made.architecture == "tiny"
    assert made.arguments == {"num_classes": 3, "in_channels": 3, "width": 4}
    assert (made.num_classes, made.in_channels, made.stride) == (3, 3, 2)
    assert made.mean == (100.0, 101.0, 102.0)
    assert made.std == (50.0, 50.0, 50.0)
    assert made.channel_order == "RGB"
    assert made.label_map == LABELS


def test_card__channels_beyond_rgb_are_as_stored() -> None:
    model: Any = TinyNet(in_channels=5)
    assert make_card(model, LABELS).channel_order == "as stored"


def test_card__round_trip_with_plain_json() -> None:
    content = card().to_bytes()
    assert b"NaN" not in content
    assert Card.from_bytes(content, source="model.json").to_bytes() == content


def test_make_card__labels_that_are_not_the_models() -> None:
    model: Any = TinyNet(num_classes=4)
    with pytest.raises(RequestError, match=r"The model has 4 classes, but the label map has 3 \(sky, road"):
        make_card(model, LABELS)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{", "model.json is not readable as JSON"),
        (b"[]", "model.json is not a model card: expected a `format_version`"),
        (b'{"model_type": "segformer"}', "model.json is not a model card"),
        (
            changed(format_version=7),
            "format version 7, written by Terrazzo .* reads up to version 1. Upgrade with",
        ),
        (changed(strid=4), "unknown key 'strid': did you mean 'stride'?"),
        (changed(stride="left out"), "stride: Field required"),
        (changed(num_classes="x"), "num_classes: Input should be a valid integer.*given 'x'"),
        (changed(num_classes=4), "num_classes is 4, but there are 3 labels"),
        (changed(in_channels=1), "in_channels is 1, but there are 3 means and 3 standard deviations"),
        (changed(labels={"classes": [{"name": "a"}]}), "not a valid model card: .*color"),
        (changed(labels={"classes": []}), "needs at least one class"),
    ],
)
def test_card__what_is_wrong_is_said(content: bytes, sentence: str) -> None:
    with pytest.raises(CheckpointError, match=sentence):
        Card.from_bytes(content, source="model.json")


def test_readme__labels_scores_protocol_and_use() -> None:
    text = render_readme(card())
    assert "None" not in text, "what is not known of the protocol is left out"
    for part in (
        "# tiny: 3 classes",
        "| 0 | sky | `#4682b4` | 0 | 75.0 % |",
        "| 1 | road | `#804080` | 1 | - |",
        "| 2 | car\\|van | `#00008e` | 2 | - |",
        "Void in mask files: 255.",
        "mIoU **56.8 %** (95 % interval 50.0 % to 62.5 %). Pixel accuracy 90.0 %, Macro F1 61.2 %.",
        "Protocol (101 images):",
        "* data: camvid",
        "* classes: sky, road",
        "* seconds: 61.5",
        "    * kind: tiny",
        "terrazzo predict  THIS_FOLDER",
        "terrazzo.load(",
    ):
        assert part in text


def test_readme__never_scored() -> None:
    model: Any = TinyNet(num_classes=2)
    text = render_readme(make_card(model, LabelMap.of({"a": (0, 0, 0), "b": (1, 1, 1)})))
    assert "was not scored when it was saved. Run `terrazzo evaluate`" in text
    assert "## Training\n\nNot recorded." in text
