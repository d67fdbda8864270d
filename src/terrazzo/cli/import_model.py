"""`terrazzo import`: weights of another library or repository become a model folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from terrazzo.cli.output import JsonOption, console, write_json
from terrazzo.core.errors import RequestError

if TYPE_CHECKING:
    from terrazzo.core.labels import LabelMap
    from terrazzo.models.base import SegmentationModel


def import_model(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE|NAME",
            help="A file of weights (with --layout); or a folder that save_pretrained wrote, or a name on "
            "the hub.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="MODEL", help="The model folder to write.", show_default=False)
    ],
    layout: Annotated[
        str | None, typer.Option(help="Whose names the tensors of FILE have, for instance enet.")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(metavar="KIND|FILE", help="What the outputs mean: a dataset kind or a classes.json."),
    ] = None,
    mean: Annotated[
        str | None, typer.Option(metavar="R,G,B", help="What the network subtracts, in pixel units.")
    ] = None,
    std: Annotated[
        str | None, typer.Option(metavar="R,G,B", help="What it then divides by, in pixel units.")
    ] = None,
    bgr: Annotated[
        bool | None, typer.Option("--bgr/--rgb", help="The order in which the network wants the channels.")
    ] = None,
    void_outputs: Annotated[
        str | None, typer.Option(metavar="I,J", help="Outputs that mean void, if not the last ones.")
    ] = None,
    json: JsonOption = None,
) -> None:
    """Turn weights of another library or repository into a model folder that every verb takes."""
    from terrazzo.checkpoint import save_model

    labels = _label_map(classes)
    statistics = {"mean": _numbers(mean, "--mean"), "std": _numbers(std, "--std")}
    if layout is None:
        _refuse_file_options({"--bgr/--rgb": bgr, "--void-outputs": void_outputs})
        model, names = _from_hub(source, statistics)
        labels = labels or _named(names)
    else:
        void = _numbers(void_outputs, "--void-outputs")
        void_indices = None if void is None else tuple(int(output) for output in void)
        model = _from_file(source, layout, labels, {**statistics, "bgr": bgr, "void_outputs": void_indices})
    if labels is None:
        raise RequestError("What do the outputs mean? Give --classes, a dataset kind or a classes.json.")
    save_model(out, model, labels=labels, training=_origin(source, layout))
    _report(model, labels, out)
    write_json(json, _facts(model, labels))


def _label_map(classes: str | None) -> "LabelMap | None":
    from terrazzo.core.label_files import read_label_map
    from terrazzo.datasets import kind_labels

    if classes is None:
        return None
    return read_label_map(classes) if classes.endswith(".json") else kind_labels(classes)


def _from_file(
    source: str, layout: str, labels: "LabelMap | None", options: dict[str, Any]
) -> "SegmentationModel":
    from terrazzo.models.foreign import from_file

    num_classes = None if labels is None else labels.num_classes
    return from_file(source, layout=layout, num_classes=num_classes, **options)


def _from_hub(source: str, statistics: dict[str, Any]) -> "tuple[SegmentationModel, tuple[str, ...] | None]":
    from terrazzo.models.foreign import LAYOUTS, from_hub

    if Path(source).is_file():
        raise RequestError(
            f"{source} is a file: whose names do its tensors have? "
            f"Give --layout, one of: {', '.join(LAYOUTS)}."
        )
    found = from_hub(source, **statistics)
    return found.model, found.class_names


def _named(names: tuple[str, ...] | None) -> "LabelMap | None":
    from terrazzo.core.label_files import label_map_from

    return None if names is None else label_map_from({"classes": list(names)})


def _refuse_file_options(given: dict[str, Any]) -> None:
    for name, value in given.items():
        if value is not None:
            raise RequestError(f"{name} is for files with --layout; this source has its own convention.")


def _numbers(text: str | None, option: str) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise RequestError(f"{option} is {text!r}; expected numbers with commas between.") from None


def _origin(source: str, layout: str | None) -> dict[str, Any]:
    """Return what the card says of where the weights are from."""
    from terrazzo.models.foreign import LAYOUTS

    origin: dict[str, Any] = {"imported from": Path(source).name if layout else source}
    if layout is not None:
        origin |= {"layout": LAYOUTS[layout].repository, "licence": LAYOUTS[layout].licence}
    return origin


def _facts(model: "SegmentationModel", labels: "LabelMap") -> dict[str, Any]:
    return {
        "architecture": model.architecture,
        "arguments": model.arguments,
        "classes": list(labels.names),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }


def _report(model: "SegmentationModel", labels: "LabelMap", out: Path) -> None:
    from terrazzo.checkpoint.save import make_card

    to = console()
    for name, value in make_card(model, labels).facts().items():
        to.print(f"{name}: {value}")
    to.print(f"Model: {out}")
