"""`terrazzo points`: the classes of an image, given to the points of a scan."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from terrazzo.cli.output import JsonOption, console, progress_bar, write_json
from terrazzo.core.errors import RequestError

if TYPE_CHECKING:
    from terrazzo.core.labels import LabelMap
    from terrazzo.predict.points import Frame
    from terrazzo.predict.points.run import PriorOf


def points(
    image: Annotated[Path, typer.Option(metavar="F", help="The image, or a folder.", show_default=False)],
    velodyne: Annotated[
        Path, typer.Option(metavar="F", help="The scan: KITTI's .bin, or a folder.", show_default=False)
    ],
    calib: Annotated[
        Path, typer.Option(metavar="F", help="KITTI's calibration .txt, or a folder.", show_default=False)
    ],
    model: Annotated[
        Path | None, typer.Argument(metavar="[MODEL]", help="A model folder.", show_default=False)
    ] = None,
    mask: Annotated[
        Path | None, typer.Option(metavar="F", help="In place of a model: the mask, or a folder.")
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="classes.json of the mask; by default the one beside it."),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the results go.")] = Path("points"),
    formats: Annotated[str, typer.Option(help="Of the scans written: ply, pcd, csv, or several.")] = "ply",
    cluster: Annotated[
        str | None,
        typer.Option(metavar="NAME,NAME", help="Classes to divide into clusters. [default: all]"),
    ] = None,
    method: Annotated[str, typer.Option(help="dbscan or hdbscan.")] = "dbscan",
    reach: Annotated[
        float, typer.Option(help="Metres between neighbours up to 10 m away, growing with the range.")
    ] = 0.5,
    min_points: Annotated[int, typer.Option(help="The fewest points of a cluster.")] = 5,
    ground: Annotated[
        float, typer.Option(help="Points up to so many metres above the ground join no cluster; -1: all do.")
    ] = 0.1,
    erode: Annotated[int, typer.Option(min=0, help="Pixels at borders of classes that give no class.")] = 0,
    keep_behind: Annotated[
        bool, typer.Option("--keep-behind", help="Keep clusters seen through a nearer one of their class.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the search for the ground.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    json: JsonOption = None,
) -> None:
    """Give each point of a scan the class and confidence of its pixel; divide classes into objects."""
    from terrazzo.predict.points import Options, Settings, find_frames, label_frames

    options = Options(
        clusters=Settings(method, reach, min_points),
        classes=_names(cluster),
        ground=ground,
        erode=erode,
        keep_behind=keep_behind,
    )
    to = console()
    frames = find_frames(image, velodyne, calib, mask)
    label_map, prior_of = _prior(model, mask, classes, device, frames)
    with progress_bar(to, "labelling") as progress:
        done = label_frames(
            frames, prior_of, label_map, out,
            options=options, formats=_names(formats) or ("ply",), seed=seed, progress=progress,
        )  # fmt: skip
    for item in done:
        facts = item.facts
        to.print(
            f"{item.frame.name}: {facts['points']:,} points, {facts['in_frame']:,} in the image, "
            f"{facts['labelled']:,} with a class, {len(facts['clusters'])} clusters"
        )
    to.print(f"The scans and pictures lie in {out}.")
    write_json(json, [item.to_json() for item in done])


def _prior(
    model: Path | None, mask: Path | None, classes: Path | None, device: str, frames: list["Frame"]
) -> tuple["LabelMap", "PriorOf"]:
    """Return what the classes are, and what says those of an image."""
    from terrazzo.predict.points import mask_prior, model_prior

    if (model is None) == (mask is None):
        given = "neither was" if model is None else "both were"
        raise RequestError(f"The classes come from a model or from --mask; {given} given. Give one of them.")
    if model is not None:
        from terrazzo.predict import load

        if classes is not None:
            raise RequestError("--classes says what a mask holds; a model knows its own. Leave it out.")
        predictor = load(model, device=device)
        return predictor.labels, model_prior(predictor)
    from terrazzo.datasets.classes import labels_for

    paths = [frame.mask for frame in frames if frame.mask is not None and frame.mask.is_file()]
    folder = (frames[0].mask or Path()).parent
    beside = next((f for f in (folder, folder.parent) if (f / "classes.json").is_file()), folder)
    label_map = labels_for(classes, beside, lambda: paths)
    return label_map, mask_prior(label_map)


def _names(text: str | None) -> tuple[str, ...] | None:
    """Divide `car,person` at the commas."""
    return None if text is None else tuple(name.strip() for name in text.split(",") if name.strip())
