"""Checking options by the signature of the function that takes them.

A recipe names a model or a loss and gives its options as plain keys. The function's own signature says which
there are and of what type, so that nothing has to be written twice.
"""

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from terrazzo.core.errors import ConfigError, did_you_mean


def checked_options(
    function: Callable[..., Any],
    options: Mapping[str, Any],
    *,
    owner: str,
    reserved: Collection[str] = (),
) -> dict[str, Any]:
    """Return the options, converted to the types of the function's parameters.

    Args:
        function: takes the options as keyword arguments; a function or a class.
        options: name -> value as given; a list is taken where a tuple is wanted.
        owner: what a person calls the function, for the message ("model 'fpn'").
        reserved: parameters that are filled by the program and are no options.

    Raises:
        ConfigError: an option that the function does not have, or a value of the wrong type.
    """
    types = get_type_hints(function.__init__ if inspect.isclass(function) else function)
    known = [name for name in inspect.signature(function).parameters if name not in reserved]
    for name in options:
        if name not in known:
            raise ConfigError(f"The {owner} has no option {name!r}: {did_you_mean(name, known)}")
    return {name: _converted(name, value, types[name], owner) for name, value in options.items()}


def _converted(name: str, value: Any, annotation: Any, owner: str) -> Any:
    try:
        return TypeAdapter(annotation).validate_python(value)
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"]
        raise ConfigError(f"Option {name} = {value!r} of the {owner}: {reason.lower()}.") from None
