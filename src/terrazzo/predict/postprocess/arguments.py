"""What stands behind a step's name: plain values, and values by name.

70                  one plain value
Road,Car            two
70,Person:20        one, and one by the name Person
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from terrazzo.core.errors import ConfigError, RequestError, did_you_mean
from terrazzo.core.labels import LabelMap


@dataclass(frozen=True)
class Arguments:
    """The values of one step, as text."""

    step: str
    bare: tuple[str, ...]
    """Values without a name."""

    named: Mapping[str, str]

    @property
    def words(self) -> str:
        """The step as it was asked for."""
        values = written(",".join(self.bare), self.named)
        return f"{self.step}={values}" if values else self.step

    def known_class(self, name: str, labels: LabelMap) -> str:
        """Return the name of a class as the label map has it; capitals do not matter.

        Raises:
            RequestError: there is none; with the closest match.
        """
        if name in labels.names:
            return name
        for known in labels.names:
            if known.lower() == name.lower():
                return known
        raise RequestError(f"{self.words}: unknown class {name!r}: {did_you_mean(name, labels.names)}")


def parse_arguments(step: str, text: str) -> Arguments:
    """Split a line of text.

    Raises:
        RequestError: an empty value, or a name given twice.
    """
    bare, named = [], {}
    for part in text.split(",") if text.strip() else ():
        name, colon, value = (piece.strip() for piece in part.rpartition(":"))
        if not value or (colon and not name):
            raise RequestError(
                f"{step}={text}: {part.strip()!r} is no value; expected such as 70 or Name:70."
            )
        if name in named:
            raise RequestError(f"{step}={text} names {name!r} twice. Give it once.")
        if colon:
            named[name] = value
        else:
            bare.append(value)
    return Arguments(step, tuple(bare), named)


def from_yaml(step: str, value: Any) -> Arguments:
    """Take a value, a list of values, or values by name; `default` is the one without a name.

    Raises:
        ConfigError: anything else.
    """
    if value is None:
        return Arguments(step, (), {})
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return Arguments(step, (_text(value),), {})
    if isinstance(value, list) and not any(isinstance(each, list | dict) for each in value):
        return Arguments(step, tuple(map(_text, value)), {})
    if isinstance(value, dict) and not any(isinstance(each, list | dict) for each in value.values()):
        named = {str(name): _text(each) for name, each in value.items()}
        bare = (named.pop("default"),) if "default" in named else ()
        return Arguments(step, bare, named)
    raise ConfigError(f"{step}: {value!r} is no value, list of values, or values by name.")


def written(bare: str | None, named: Mapping[str, str]) -> str:
    """Write values as they would be asked for."""
    return ",".join([*([bare] if bare else []), *(f"{name}:{value}" for name, value in named.items())])


def _text(value: Any) -> str:
    return str(value)
