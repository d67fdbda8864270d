"""The error family: a person's mistake ends in one of these, never in a traceback.

    TerrazzoError        the work failed                      exit code 1
    ├── DataError        images or masks are not what they should be
    ├── CheckpointError  a model folder or saved state is damaged, foreign or cannot be written
    └── RequestError     what was asked for cannot be         exit code 2   (also a ValueError)
        ├── ConfigError  a recipe, an override or a dataset YAML is wrong
        └── MissingExtraError  an optional part is not installed

Every message says what is wrong, the value given, what was expected, and what to do next.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class TerrazzoError(Exception):
    """Base of everything this package raises for people; `exit_code` is what the command line returns."""

    exit_code = 1


class DataError(TerrazzoError):
    """Images, masks or labels are missing, unreadable or not what was declared."""


class CheckpointError(TerrazzoError):
    """A model folder or training state is damaged, incomplete, foreign, or cannot be written."""


class RequestError(TerrazzoError, ValueError):
    """The request itself is wrong: an unknown name, an impossible value, a folder in the way."""

    exit_code = 2


class ConfigError(RequestError):
    """A recipe, an override or a dataset YAML has a wrong key or value."""


class MissingExtraError(RequestError):
    """An optional package is needed for what was asked; the message holds the pip command."""


def closest(given: str, known: Iterable[str]) -> str | None:
    """Return the known name that looks most like the given one, or None if none does."""
    by_lower = {name.lower(): name for name in known}
    matches = get_close_matches(given.lower(), by_lower, n=1, cutoff=0.5)
    return by_lower[matches[0]] if matches else None


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return the tail of an unknown-name message: the closest match, if any, and the whole list."""
    names = sorted(known)
    match = closest(given, names)
    hint = f"did you mean {match!r}? " if match else ""
    return f"{hint}Known: {', '.join(names) or 'none'}."


def unknown_name(what: str, given: str, known: Iterable[str]) -> RequestError:
    """Build the error for a name that is in none of our dicts.

    Args:
        what: what the name stands for, as a person would say it ("model", "dataset kind").
        given: the name as given.
        known: the names there are.
    """
    return RequestError(f"Unknown {what} {given!r}: {did_you_mean(given, known)}")
