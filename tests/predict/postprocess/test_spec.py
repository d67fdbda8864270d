"""A line of text, or a YAML list, becomes steps; what makes no sense is said in a sentence."""

from pathlib import Path
from typing import Any

import pytest

from terrazzo.core.errors import ConfigError, RequestError
from terrazzo.core.labels import LabelMap
from terrazzo.predict import parse_postprocess

STREET = LabelMap.of({"Sky": (1, 1, 1), "Road": (2, 2, 2), "Car": (3, 3, 3), "Person": (4, 4, 4)})
TWO = LabelMap.of({"other": (1, 1, 1), "road": (2, 2, 2)})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("none", "none"),
        ("drop-clusters=70", "drop-clusters=70"),
        (" Drop-Clusters = 70px ; largest = car , road ", "drop-clusters=70;largest=Road,Car"),
        ("drop-clusters=70,Person:20,Car:70", "drop-clusters=70,Person:20"),
        ("drop-clusters=0.50‰,Car:1.5 permille", "drop-clusters=0.5permille,Car:1.5permille"),
        ("fill-holes=Road:500", "fill-holes=Road:500"),
        ("drop-clusters=0", "drop-clusters=0"),
        ("largest", "largest=Sky,Road,Car,Person"),
        ("open=1;close=3,Sky:0", "open=1;close=3,Sky:0"),
        ("guided=8", "guided=radius:8,eps:0.0001"),
        ("guided=eps:0.01,radius:4", "guided=radius:4,eps:0.01"),
        ("threshold=person:.3,Car:0.60", "threshold=Car:0.6,Person:0.3"),
    ],
)
def test_parse_postprocess__words_say_it_and_mean_the_same(text: str, words: str) -> None:
    assert parse_postprocess(text, STREET).words == words
    assert parse_postprocess(words, STREET).words == words


def test_parse_postprocess__two_classes_need_no_name() -> None:
    assert parse_postprocess("threshold=0.3", TWO).words == "threshold=road:0.3"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Post-processing is empty. Give its steps, such as 'drop-clusters=70;largest=Road', or 'none'."),
        ("drop-cluster=70", "Unknown post-processing step 'drop-cluster': did you mean 'drop-clusters'?"),
        ("70", "Unknown post-processing step '70'"),
        (
            "drop-clusters=Rode:70",
            "drop-clusters=Rode:70: unknown class 'Rode': did you mean 'Road'. Known: Car",
        ),
        (
            "drop-clusters=many",
            "drop-clusters=many: expected an area in pixels such as 70, or in thousandths",
        ),
        ("drop-clusters=-1", "drop-clusters=-1: expected an area"),
        ("drop-clusters=7.5", "drop-clusters=7.5: expected an area"),
        ("drop-clusters=1001permille", "drop-clusters=1001permille is more than the whole image"),
        ("drop-clusters", "drop-clusters: expected an area in pixels such as 70.*Name:70"),
        ("drop-clusters=70,80", "drop-clusters=70,80: expected an area"),
        ("drop-clusters=70,", "drop-clusters=70,: '' is no value; expected such as 70 or Name:70"),
        ("drop-clusters=Car:1,Car:2", "drop-clusters=Car:1,Car:2 names 'Car' twice. Give it once"),
        ("largest=Car:3", "largest=Car:3: expected class names, such as largest=Sky"),
        ("close", "close: expected a radius in pixels, such as close=3"),
        ("open=1.5", "open=1.5: '1.5' is no radius; expected whole pixels, 0 to 1000"),
        ("guided", "guided: expected a radius in pixels, such as guided=8"),
        ("guided=8,9", "guided=8,9: expected one radius in pixels"),
        ("guided=0", "guided=0: the radius is 0; expected 1 or more pixels"),
        ("guided=8,epsilon:3", "Unknown setting of guided 'epsilon': did you mean 'eps'"),
        ("guided=8,eps:0", "guided=8,eps:0: eps is 0; expected 1e-06 to 1"),
        ("guided=8,eps:x", "guided=8,eps:x: 'x' is no number"),
        ("threshold=0.3", "threshold=0.3: expected a probability by class, such as threshold=Person:0.4"),
        ("threshold=Car:1", "threshold=Car:1: 1 is no threshold; expected above 0 and below 1"),
        (
            "drop-clusters=9;guided=4",
            "guided reads the labels from the probabilities again, which would undo drop",
        ),
        ("close=1;largest;threshold=Car:.5", "would undo largest: put threshold first"),
    ],
)
def test_parse_postprocess__what_makes_no_sense(text: str, sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        parse_postprocess(text, STREET)


YAML = """
- guided: {radius: 4, eps: 0.01}
- drop-clusters: {default: 70, "Person": 0.5permille}
- largest: [Road, Car]
- close: 3
- open=1
- largest:
"""


def test_parse_postprocess__a_yaml_file(tmp_path: Path) -> None:
    file = tmp_path / "steps.yaml"
    file.write_text(YAML)
    words = (
        "guided=radius:4,eps:0.01;drop-clusters=70,Person:0.5permille;largest=Road,Car;close=3;open=1;"
        "largest=Sky,Road,Car,Person"
    )
    assert parse_postprocess(str(file), STREET).words == words


def test_parse_postprocess__odd_names_in_a_list() -> None:
    labels = LabelMap.of({"a:b": (1, 1, 1), "c,d": (2, 2, 2)})
    steps = parse_postprocess([{"largest": ["c,d"]}, {"drop-clusters": {"a:b": 3}}], labels).steps
    assert [step.words for step in steps] == ["largest=c,d", "drop-clusters=a:b:3"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("drop-clusters: 70", "holds no list; expected lines such as '- drop-clusters: 70'"),
        ("- {a: 1, b: 2}", r"\{'a': 1, 'b': 2\} is no step of post-processing"),
        ("- close: [[1]]", r"close: \[\[1\]\] is no value, list of values, or values by name"),
        ("- close: true", "close: True is no value"),
        ("- cloze: 3", "Unknown post-processing step 'cloze': did you mean 'close'"),
    ],
)
def test_parse_postprocess__a_yaml_file_of_something_else(
    tmp_path: Path, content: str, sentence: str
) -> None:
    file = tmp_path / "steps.yml"
    file.write_text(content)
    with pytest.raises(RequestError, match=sentence):
        parse_postprocess(str(file), STREET)
    with pytest.raises(ConfigError, match=r"none\.yaml cannot be read \(No such file or directory\)"):
        parse_postprocess(str(tmp_path / "none.yaml"), STREET)


def test_parse_postprocess__areas_per_class_of_an_image() -> None:
    step: Any = parse_postprocess("drop-clusters=0.5permille,Car:7,Sky:0", STREET).steps[0]
    assert step.areas.per_class(10_000).tolist() == [0, 5, 7, 5]
    assert step.areas.per_class(10_001).tolist() == [0, 6, 7, 6]  # fewer than 5.0005 are 5 or fewer
