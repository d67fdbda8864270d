"""`terrazzo evaluate`: a model and data become scores."""

from pathlib import Path
from typing import Annotated

import typer

from terrazzo.cli.output import JsonOption, console, print_scores, progress_bar, write_json


def evaluate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model folder.", show_default=False)],
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="KIND:PATH, a folder with images/ and masks/, or a dataset YAML."
        ),
    ],
    split: Annotated[str, typer.Option(help="train, val, test or all.")] = "val",
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write an HTML report to FILE.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    json: JsonOption = None,
) -> None:
    """Score a model at the original resolution of the ground truth, with its protocol and interval."""
    from terrazzo.datasets import open_dataset
    from terrazzo.evaluate import check_labels, write_report
    from terrazzo.evaluate import evaluate as score
    from terrazzo.predict import load

    to = console()
    predictor = load(model, device=device)
    dataset = open_dataset(data, split=split)
    check_labels(predictor.labels, dataset.labels)
    with progress_bar(to, "scoring") as progress:
        evaluation = score(predictor.model, dataset, progress=progress)
    print_scores(to, evaluation)
    if report is not None:
        write_report(
            report,
            evaluation,
            dataset=dataset,
            predict=predictor.predict,
            title=f"{model.name} on {data}",
            model_facts=predictor.card.facts() if predictor.card else None,
        )
        to.print(f"Report: {report}")
    write_json(json, evaluation.to_json())
