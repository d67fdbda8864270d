"""docs/losses.md names every loss, every option and every rule of class weights."""

import inspect
import re
from pathlib import Path
from typing import get_args

import pytest

from terrazzo.losses import LOSSES
from terrazzo.losses.config import _CALL_ARGUMENTS
from terrazzo.losses.weights import ClassWeights

PAGE = Path("docs/losses.md").read_text()


def lines_of(name: str) -> str:
    """Return the lines of the page that tell of a loss: table rows, and paragraphs that begin with it."""
    paragraphs = [part for part in PAGE.split("\n\n") if f"**`{name}`**" in part]
    rows = [line for line in PAGE.splitlines() if re.match(rf"\| `{name}` \|", line)]
    return "\n".join([*paragraphs, *rows])


@pytest.mark.parametrize("name", LOSSES)
def test_docs__name_every_loss_and_option(name: str) -> None:
    options = {
        option: parameter.default
        for option, parameter in inspect.signature(LOSSES[name]()).parameters.items()
        if option not in _CALL_ARGUMENTS
    }
    text = lines_of(name)
    text += lines_of("tversky") if name == "focal_tversky" else ""  # "as `tversky`"
    assert text
    assert [option for option in options if f"`{option}" not in text] == []


@pytest.mark.parametrize("rule", [rule for rule in get_args(ClassWeights) if rule != "none"])
def test_docs__name_every_rule_of_class_weights(rule: str) -> None:
    assert re.search(rf"^\| `{rule}` \|", PAGE, flags=re.MULTILINE)
