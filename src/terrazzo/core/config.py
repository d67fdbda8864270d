"""Configs: frozen pydantic classes, a strict YAML reader, overrides, and errors rewritten for people.

Every room keeps its own config class beside what it describes; they derive from `Config`. A build function
turns a config into plain arguments, so configs stop at the door and no other class ever sees one.
"""

from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent

from terrazzo.core.errors import ConfigError, did_you_mean

MAX_BYTES = 1_000_000
MAX_LEVELS = 50

C = TypeVar("C", bound="Config")


class Config(BaseModel):
    """Base of all configs: frozen, and unknown keys are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, protected_namespaces=())


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML 1.2 mapping strictly: `1e-3` is a number and `no` a word.

    Raises:
        ConfigError: the file is missing, too large or too deep, not YAML, not a mapping, has a key twice or
            uses aliases.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file. Give the path of a YAML file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as UTF-8 text ({error}).") from None
    data = parse_yaml(text, source=str(path))
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: holds a {type(data).__name__}; expected keys with values.")
    return data


def parse_yaml(text: str, *, source: str) -> Any:
    """Parse YAML 1.2 text by the same strict rules as `read_yaml`; any value may stand at the top."""
    if len(text) > MAX_BYTES:
        raise ConfigError(f"{source}: {len(text)} characters; at most {MAX_BYTES} are read.")
    try:
        _refuse_aliases_and_depth(text, source)
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise ConfigError(f"{source}: not valid YAML. {_one_line(error)}") from None
    except RecursionError:
        raise ConfigError(f"{source}: nested deeper than {MAX_LEVELS} levels.") from None


def write_yaml(data: Mapping[str, Any]) -> str:
    """Return plain data as YAML that `read_yaml` reads back."""
    stream = StringIO()
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # ruamel types it None
    writer.dump(dict(data), stream)
    return stream.getvalue()


def apply_overrides(data: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return a copy of a mapping with `section.key=value` items set; values are read as YAML.

    Raises:
        ConfigError: an item has no `=`, or its path runs through something that holds no keys.
    """
    result: dict[str, Any] = _copy(data)
    for item in overrides:
        path, equals, text = item.partition("=")
        if not equals or not path:
            raise ConfigError(f"Override {item!r} is not of the form section.key=value.")
        *parents, last = path.split(".")
        place = result
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise ConfigError(f"Override {item!r}: {parent!r} holds a plain value, not keys.")
        place[last] = parse_yaml(text, source=f"override {item!r}")
    return result


def validate(cls: type[C], data: Mapping[str, Any], *, source: str) -> C:
    """Build a config, or say everything that is wrong with it in one error.

    Raises:
        ConfigError: one line per wrong key or value, with the closest known key.
    """
    try:
        return cls.model_validate(dict(data))
    except ValidationError as error:
        problems = [_problem(cls, details) for details in error.errors(include_url=False)]
        raise ConfigError("\n".join([f"{source}:", *(f"  {line}" for line in problems)])) from None


def _problem(cls: type[BaseModel], details: Any) -> str:
    """Rewrite one pydantic error as a sentence for people."""
    location: tuple[int | str, ...] = details["loc"]
    where = ".".join(str(part) for part in location)
    if details["type"] == "extra_forbidden":
        return f"unknown key {where!r}: {did_you_mean(str(location[-1]), _fields_at(cls, location[:-1]))}"
    if details["type"] == "missing":
        return f"{where!r} is missing: give it a value."
    message = str(details["msg"]).removeprefix("Value error, ")
    message = message[0].lower() + message[1:] if message else message
    if not where:
        return message
    return f"{where} = {details['input']!r}: {message}."


def _fields_at(cls: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """Return the field names of the config class at a location such as ("loss", "parts", 0)."""
    for part in location:
        field = cls.model_fields.get(str(part))
        nested = _config_in(field.annotation) if field else None
        if nested is not None:
            cls = nested
    return list(cls.model_fields)


def _config_in(annotation: Any) -> type[BaseModel] | None:
    """Find the config class inside an annotation such as `tuple[LossPart, ...] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _config_in(arg))), None)


def _refuse_aliases_and_depth(text: str, source: str) -> None:
    level = 0
    for event in YAML(typ="safe", pure=True).parse(StringIO(text)):
        if isinstance(event, AliasEvent):
            line = event.start_mark.line + 1
            raise ConfigError(f"{source}: line {line} uses an alias (*{event.anchor}); write the value out.")
        level += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if level > MAX_LEVELS:
            raise ConfigError(f"{source}: nested deeper than {MAX_LEVELS} levels.")


def _one_line(error: YAMLError) -> str:
    """Return the problem and its place; the library's own text runs over many lines."""
    problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
    mark = getattr(error, "problem_mark", None)
    return f"Line {mark.line + 1}: {problem}." if mark else f"{problem}."


def _copy(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {key: _copy(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_copy(value) for value in data]
    return data
