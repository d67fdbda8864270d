"""The strict YAML reader, overrides, and errors rewritten for people."""

from pathlib import Path

import pytest

from terrazzo.core.config import Config, apply_overrides, parse_yaml, read_yaml, validate, write_yaml
from terrazzo.core.errors import ConfigError


class Part(Config):
    kind: str
    weight: float = 1.0


class Section(Config):
    steps: int = 10
    parts: tuple[Part, ...] = ()


class Whole(Config):
    train: Section = Section()


def test_parse_yaml__reads_yaml_1_2_numbers_and_words() -> None:
    assert parse_yaml("{a: 1e-3, b: no, c: 12:30:00, d: 010, e: 0.5}", source="t") == {
        "a": 1e-3,
        "b": "no",
        "c": "12:30:00",
        "d": 10,
        "e": 0.5,
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: 1\na: 2\n", "duplicate key"),
        ("a: &x [1]\nb: *x\n", r"line 2 uses an alias \(\*x\)"),
        ("[" * 60 + "]" * 60, "nested deeper than 50 levels"),
        ("a: [1", "not valid YAML"),
        ("a: " + "x" * 1_000_001, "at most 1000000 are read"),
    ],
)
def test_parse_yaml__refuses(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        parse_yaml(text, source="recipe.yaml")


def test_read_yaml__missing_file_and_plain_value(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        read_yaml(tmp_path / "none.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(ConfigError, match="holds a list; expected keys with values"):
        read_yaml(tmp_path / "list.yaml")


def test_write_yaml__is_read_back(tmp_path: Path) -> None:
    data = {"b": {"x": [1, 2.5, "no"], "lr": 1e-5}, "a": None, "t": True}
    (tmp_path / "a.yaml").write_text(write_yaml(data))
    assert read_yaml(tmp_path / "a.yaml") == data
    assert list(read_yaml(tmp_path / "a.yaml")) == ["b", "a", "t"]


def test_apply_overrides__sets_values_without_touching_the_original() -> None:
    data = {"train": {"steps": 3}}
    done = apply_overrides(data, ["train.steps=14", "train.lr=1e-3", "model.encoder=resnet18", "x.y=[1, 2]"])
    assert done == {"train": {"steps": 14, "lr": 1e-3}, "model": {"encoder": "resnet18"}, "x": {"y": [1, 2]}}
    assert data == {"train": {"steps": 3}}


@pytest.mark.parametrize("item", ["train.steps", "=3"])
def test_apply_overrides__refuses_what_is_no_assignment(item: str) -> None:
    with pytest.raises(ConfigError, match=r"not of the form section\.key=value"):
        apply_overrides({}, [item])


def test_apply_overrides__refuses_a_path_through_a_value() -> None:
    with pytest.raises(ConfigError, match="'steps' holds a plain value, not keys"):
        apply_overrides({"train": {"steps": 3}}, ["train.steps.x=1"])


def test_validate__names_the_closest_key_at_any_depth() -> None:
    data = {"train": {"stesp": 3, "parts": [{"kind": "dice", "wieght": 2}]}}
    with pytest.raises(ConfigError) as caught:
        validate(Whole, data, source="recipe.yaml")
    text = str(caught.value)
    assert "recipe.yaml:" in text
    assert "unknown key 'train.stesp': did you mean 'steps'?" in text
    assert "unknown key 'train.parts.0.wieght': did you mean 'weight'?" in text


def test_validate__says_value_and_expectation_of_every_problem() -> None:
    with pytest.raises(ConfigError) as caught:
        validate(Whole, {"train": {"steps": "many", "parts": [{}]}}, source="recipe.yaml")
    assert "train.steps = 'many': input should be a valid integer" in str(caught.value)
    assert "'train.parts.0.kind' is missing" in str(caught.value)
