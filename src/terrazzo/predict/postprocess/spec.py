"""What `--postprocess` means: a line of text, or a YAML list, becomes steps in order.

    drop-clusters=70                        clusters below 70 pixels become the class about them
    drop-clusters=0.5permille,Person:20     below half a thousandth of the image; people below 20 pixels
    fill-holes=Road:500;largest=Road        two steps
    guided=8;close=Car:3                    probabilities drawn to the image's edges; then cars closed

In YAML: a list of `step: value`, where a value may be one, a list, or values by name (`default` is the one
without a name); names with `,`, `:`, `;` or `=` in them can be given there.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from terrazzo.core.config import parse_yaml
from terrazzo.core.errors import ConfigError, RequestError, unknown_name
from terrazzo.core.labels import LabelMap
from terrazzo.predict.postprocess.area import Areas
from terrazzo.predict.postprocess.arguments import Arguments, from_yaml, parse_arguments
from terrazzo.predict.postprocess.chain import Postprocess
from terrazzo.predict.postprocess.clusters import DropClusters, FillHoles, Largest
from terrazzo.predict.postprocess.guided import EPS, SMALLEST_EPS, Guided
from terrazzo.predict.postprocess.morphology import Morphology
from terrazzo.predict.postprocess.step import Step
from terrazzo.predict.postprocess.threshold import Threshold

Spec = str | Sequence[Any]
"""A line of text, the path of a YAML file, or what such a file holds."""

EXAMPLE: Final = "drop-clusters=70;largest=Road"


def parse_postprocess(spec: Spec, labels: LabelMap) -> Postprocess:
    """Read what a person asked for.

    Args:
        spec: steps with semicolons between, `none`, a path that ends in .yaml, or a list as it stands in such
            a file.
        labels: of the model, whose class names may be used.

    Raises:
        RequestError: an unknown step or class, with the closest match; a value that is none; an order that
            makes no sense.
        ConfigError: a YAML file that holds something else.
    """
    if isinstance(spec, str) and spec.strip().lower().endswith((".yaml", ".yml")):
        spec = _read(Path(spec.strip()))
    given = _from_text(spec) if isinstance(spec, str) else [_from_item(item) for item in spec]
    return Postprocess([_step(arguments, labels) for arguments in given])


def _read(path: Path) -> Sequence[Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"{path} cannot be read ({reason}). Give a YAML file with a list of steps."
        ) from None
    steps = parse_yaml(text, source=str(path))
    if not isinstance(steps, list):
        raise ConfigError(f"{path} holds no list; expected lines such as '- drop-clusters: 70'.")
    return steps


def _from_text(text: str) -> list[Arguments]:
    parts = [part.strip() for part in text.split(";") if part.strip()]
    if not parts:
        raise RequestError(f"Post-processing is empty. Give its steps, such as {EXAMPLE!r}, or 'none'.")
    if parts == ["none"]:
        return []
    split = [part.partition("=") for part in parts]
    return [parse_arguments(_known(name), value) for name, _, value in split]


def _from_item(item: Any) -> Arguments:
    """Take one entry of a YAML list: text, or one step with its value."""
    if isinstance(item, str):
        name, _, value = item.partition("=")
        return parse_arguments(_known(name), value)
    if isinstance(item, dict) and len(item) == 1:
        name, value = next(iter(item.items()))
        return from_yaml(_known(str(name)), value)
    raise ConfigError(f"{item!r} is no step of post-processing; expected one such as 'drop-clusters: 70'.")


def _known(name: str) -> str:
    name = name.strip().lower()
    if name not in STEPS:
        raise unknown_name("post-processing step", name, STEPS)
    return name


def _step(arguments: Arguments, labels: LabelMap) -> Step:
    return STEPS[arguments.step](arguments, labels)


def _drop_clusters(arguments: Arguments, labels: LabelMap) -> Step:
    return DropClusters(Areas.read(arguments, labels))


def _fill_holes(arguments: Arguments, labels: LabelMap) -> Step:
    return FillHoles(Areas.read(arguments, labels))


def _largest(arguments: Arguments, labels: LabelMap) -> Step:
    if arguments.named:
        raise RequestError(f"{arguments.words}: expected class names, such as largest={labels.names[0]}.")
    chosen = {arguments.known_class(name, labels) for name in arguments.bare} or set(labels.names)
    names = tuple(name for name in labels.names if name in chosen)
    return Largest(names, tuple(name in chosen for name in labels.names))


def _morphology(arguments: Arguments, labels: LabelMap) -> Step:
    if len(arguments.bare) > 1 or not (arguments.bare or arguments.named):
        raise RequestError(f"{arguments.words}: expected a radius in pixels, such as {arguments.step}=3.")
    default = _whole(arguments.bare[0], arguments) if arguments.bare else 0
    named = {
        arguments.known_class(name, labels): _whole(value, arguments)
        for name, value in arguments.named.items()
    }
    radii = {name: named.get(name, default) for name in labels.names}
    return Morphology("open" if arguments.step == "open" else "close", radii, default)


def _guided(arguments: Arguments, _labels: LabelMap) -> Step:
    given = dict(arguments.named)
    if len(arguments.bare) == 1 and "radius" not in given:
        given["radius"] = arguments.bare[0]
    elif arguments.bare:
        raise RequestError(f"{arguments.words}: expected one radius in pixels, such as guided=8.")
    for name in given:
        if name not in {"radius", "eps"}:
            raise unknown_name("setting of guided", name, ("radius", "eps"))
    if "radius" not in given:
        raise RequestError(f"{arguments.words}: expected a radius in pixels, such as guided=8.")
    eps = _number(given.get("eps", str(EPS)), arguments)
    if not SMALLEST_EPS <= eps <= 1:
        raise RequestError(f"{arguments.words}: eps is {eps:g}; expected {SMALLEST_EPS:g} to 1.")
    radius = _whole(given["radius"], arguments)
    if not radius:
        raise RequestError(f"{arguments.words}: the radius is 0; expected 1 or more pixels.")
    return Guided(radius, eps)


def _threshold(arguments: Arguments, labels: LabelMap) -> Step:
    named = {arguments.known_class(name, labels): value for name, value in arguments.named.items()}
    if len(arguments.bare) == 1 and not named and labels.num_classes == 2:
        named = {labels.names[1]: arguments.bare[0]}
    elif arguments.bare or not named:
        raise RequestError(
            f"{arguments.words}: expected a probability by class, such as threshold={labels.names[-1]}:0.4; "
            "without a name only for a model of two classes, and then of the second."
        )
    values = {name: _number(named[name], arguments) for name in labels.names if name in named}
    for value in values.values():
        if not 0 < value < 1:
            raise RequestError(f"{arguments.words}: {value:g} is no threshold; expected above 0 and below 1.")
    return Threshold(values, {name: labels.names.index(name) for name in values})


def _whole(text: str, arguments: Arguments) -> int:
    if not text.isdecimal() or int(text) > 1000:
        raise RequestError(f"{arguments.words}: {text!r} is no radius; expected whole pixels, 0 to 1000.")
    return int(text)


def _number(text: str, arguments: Arguments) -> float:
    try:
        return float(text)
    except ValueError:
        raise RequestError(f"{arguments.words}: {text!r} is no number.") from None


STEPS: Final[dict[str, Callable[[Arguments, LabelMap], Step]]] = {
    "close": _morphology,
    "drop-clusters": _drop_clusters,
    "fill-holes": _fill_holes,
    "guided": _guided,
    "largest": _largest,
    "open": _morphology,
    "threshold": _threshold,
}
