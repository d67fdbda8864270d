"""`terrazzo predict`: images become masks."""

from pathlib import Path
from typing import Annotated

import typer

from terrazzo.cli.output import JsonOption, console, progress_bar, write_json


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model folder.", show_default=False)],
    inputs: Annotated[
        list[Path], typer.Argument(metavar="IMAGE|FOLDER...", help="What to segment.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the masks go.")] = Path("masks"),
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Also paint the classes over the image.")
    ] = False,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Also write (K, H, W) float16 probabilities as .npz.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    json: JsonOption = None,
) -> None:
    """Segment images of any size: a PNG of raw label ids (of a volume NIfTI) for each, at its own size."""
    from terrazzo.predict import load, predict_files

    to = console()
    predictor = load(model, device=device)
    with progress_bar(to, "predicting") as progress:
        written = predict_files(
            predictor, inputs, out, overlay=overlay, probabilities=probabilities, progress=progress
        )
    to.print(f"{len(written)} image{'s' if len(written) != 1 else ''} segmented; the masks lie in {out}.")
    write_json(json, [item.to_json() for item in written])
