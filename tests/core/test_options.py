"""Options are checked by the signature of the function that takes them."""

import pytest

from terrazzo.core.errors import ConfigError
from terrazzo.core.options import checked_options


def paint(size: int, *, width: tuple[int, ...] | None = None, glossy: bool = False) -> None:
    """Stand in for a build function."""


def test_checked_options__converts_lists_to_the_parameter_type() -> None:
    assert checked_options(paint, {"width": [1, 2]}, owner="painter", reserved=["size"]) == {"width": (1, 2)}


def test_checked_options__suggests_the_closest_option() -> None:
    with pytest.raises(ConfigError, match="The painter has no option 'glosy': did you mean 'glossy'"):
        checked_options(paint, {"glosy": True}, owner="painter", reserved=["size"])


def test_checked_options__does_not_let_reserved_parameters_through() -> None:
    with pytest.raises(ConfigError, match="has no option 'size'"):
        checked_options(paint, {"size": 3}, owner="painter", reserved=["size"])


def test_checked_options__says_which_value_is_of_the_wrong_type() -> None:
    with pytest.raises(
        ConfigError, match=r"Option width = 'broad' of the painter: input should be a valid tuple"
    ):
        checked_options(paint, {"width": "broad"}, owner="painter")
