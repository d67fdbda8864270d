from dataclasses import replace

import pytest

from terrazzo.datasets import DATASETS, kind_labels
from terrazzo.evaluate import Protocol, evaluate
from terrazzo.evaluate.protocol import AVERAGING, RESOLUTION
from terrazzo.evaluate.protocols import STANDARDS, differences
from tests.evaluate.made import Made, NearestColor


def satisfying(name: str) -> Protocol:
    standard = next(s for s in STANDARDS if s.name == name)
    return Protocol(
        data=standard.kind,
        split=standard.split,
        images=standard.images,
        data_fingerprint="0" * 12,
        classes=kind_labels(standard.kind).names,
        void="",
        resolution=RESOLUTION,
        averaging=AVERAGING,
        tta="none",
        tiles="whole image",
        members="one model",
        postprocess="none",
        interval="",
        notes=(),
        size=standard.size or "several sizes",
    )


@pytest.mark.parametrize("name", [standard.name for standard in STANDARDS])
def test_standard__is_named_where_all_of_it_holds(name: str) -> None:
    protocol = satisfying(name)
    assert (protocol.name, protocol.nearly) == (name, "")
    assert protocol.to_json()["name"] == name
    assert replace(protocol, tta="hflip").name == name, "how it was predicted is said beside the name"


def test_standards__have_the_classes_that_their_names_say() -> None:
    assert len({standard.name for standard in STANDARDS}) == len(STANDARDS)
    assert {standard.kind for standard in STANDARDS} <= set(DATASETS)
    for kind, classes in (
        ("camvid", 11),
        ("cityscapes", 19),
        ("voc", 21),
        ("ade20k", 150),
        ("coco-stuff", 171),
    ):
        assert len(kind_labels(kind).names) == classes
        assert all(f"{classes}-" in s.name for s in STANDARDS if s.kind == kind)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"split": "train"}, "Not camvid11-segnet-360x480: the split is train, expected test."),
        ({"images": 232}, "Not camvid11-segnet-360x480: 232 images, expected 233."),
        (
            {"size": "361 x 480"},
            "Not camvid11-segnet-360x480: the ground truth is 361 x 480, expected 360 x 480.",
        ),
        ({"resolution": "half"}, f"Not camvid11-segnet-360x480: scored at half, expected {RESOLUTION}."),
        ({"averaging": "micro"}, f"Not camvid11-segnet-360x480: averaged as micro, expected {AVERAGING}."),
    ],
)
def test_nearly__says_the_one_thing_that_differs(changes: dict[str, object], sentence: str) -> None:
    protocol = replace(satisfying("camvid11-segnet-360x480"), **changes)  # type: ignore[arg-type]
    assert (protocol.name, protocol.nearly) == ("", sentence)
    assert protocol.to_json()["name"] is None


def test_nearly__speaks_of_classes() -> None:
    protocol = satisfying("cityscapes19-val")
    names = protocol.classes
    said = [
        replace(protocol, classes=classes).nearly
        for classes in (names[:7], names[::-1], ("track", *names[1:]))
    ]
    assert said == [
        "Not cityscapes19-val: 7 classes, expected 19.",
        "Not cityscapes19-val: the classes are in another order.",
        "Not cityscapes19-val: the classes have other names (track).",
    ]


def test_nearly__is_silent_where_much_differs_or_nothing_is_published() -> None:
    protocol = satisfying("cityscapes19-val")
    assert replace(protocol, split="train", classes=("a",)).nearly == ""
    assert (replace(protocol, data="folder").name, replace(protocol, data="folder").nearly) == ("", "")


def test_differences__of_another_split_do_not_also_complain_of_the_number() -> None:
    protocol = replace(satisfying("voc21-val"), split="train", images=1464)
    standard = next(s for s in STANDARDS if s.name == "voc21-val")
    assert differences(protocol, standard) == ["the split is train, expected val"]


def test_protocol__comes_back_from_json() -> None:
    protocol = evaluate(NearestColor(), Made()).protocol
    assert Protocol.from_json(protocol.to_json()) == protocol
    old = {key: value for key, value in protocol.to_json().items() if key not in {"size", "name", "nearly"}}
    assert Protocol.from_json(old).fingerprint == protocol.fingerprint
    with pytest.raises(KeyError, match="tta"):
        Protocol.from_json({key: value for key, value in old.items() if key != "tta"})


def test_protocol__size_and_name_do_not_change_the_fingerprint() -> None:
    protocol = satisfying("voc21-val")
    assert replace(protocol, size="").fingerprint == protocol.fingerprint
    assert protocol.fingerprint == "16b7728f8b50", "old scores would not compare with new ones"


def test_protocol__of_resized_data_does_not_claim_the_original_size() -> None:
    dataset = Made()
    dataset.prepare(resize=[40, 48])
    protocol = evaluate(NearestColor(), dataset).protocol
    assert protocol.resolution == "ground truth resized to 40 x 48"
    assert protocol.size == "40 x 48"
    assert evaluate(NearestColor(), Made()).protocol.size == "several sizes"
