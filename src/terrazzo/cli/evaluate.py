"""`terrazzo evaluate`: a model and data become scores."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from terrazzo.cli.output import JsonOption, console, print_scores, progress_bar, write_json
from terrazzo.cli.prediction import (
    AddressOption,
    DeviceOption,
    DropClustersOption,
    DropoutOption,
    EngineOption,
    ModelArgument,
    OverlapOption,
    PostprocessOption,
    TileOption,
    TtaOption,
    WithOption,
    WorkersOption,
    on_ray,
    settings_from,
)
from terrazzo.core.errors import RequestError

if TYPE_CHECKING:
    from terrazzo.datasets import SegmentationDataset
    from terrazzo.evaluate import Evaluation
    from terrazzo.evaluate.speed import Stopwatch
    from terrazzo.predict import Predictor, PredictSettings


def evaluate(
    model: ModelArgument,
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="KIND:PATH, a folder with images/ and masks/, or a dataset YAML."
        ),
    ],
    split: Annotated[str, typer.Option(help="train, val, test or all.")] = "val",
    metrics: Annotated[
        str,
        typer.Option(metavar="NAME,NAME", help="Measure more: boundary-iou, calibration, ..., or all."),
    ] = "",
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html|FOLDER", help="Also write a page, or a folder to explore errors."),
    ] = None,
    against: Annotated[
        Path | None, typer.Option(metavar="MODEL", help="Show a second model beside it in the folder.")
    ] = None,
    save_counts: Annotated[
        Path | None, typer.Option(metavar="F.npz", help="Keep the counts of every image, for compare.")
    ] = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Fit a temperature, and write it into the model folder.")
    ] = False,
    others: WithOption = None,
    tile: TileOption = "whole",
    overlap: OverlapOption = None,
    tta: TtaOption = "none",
    dropout: DropoutOption = 0,
    postprocess: PostprocessOption = "none",
    drop_clusters: DropClustersOption = None,
    tune_postprocess: Annotated[
        bool, typer.Option("--tune-postprocess", help="Choose post-processing by cross-validation.")
    ] = False,
    engine: EngineOption = "local",
    address: AddressOption = None,
    workers: WorkersOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = None,
) -> None:
    """Score a model at the original resolution of the ground truth, with its protocol and interval."""
    from terrazzo.datasets import open_dataset
    from terrazzo.evaluate import check_labels
    from terrazzo.evaluate.speed import Stopwatch
    from terrazzo.predict import build_predictor

    to, watch = console(), Stopwatch()
    settings = settings_from(
        model,
        others,
        device=device,
        tile=tile,
        overlap=overlap,
        tta=tta,
        dropout=dropout,
        postprocess=postprocess,
        drop_clusters=drop_clusters,
    )
    cluster = on_ray(engine, address, workers)
    second = None if against is None else replace(settings, models=(str(against),))
    if against is not None and (report is None or report.suffix == ".html"):
        raise RequestError("A second model is shown in a folder: give --report a folder, as --report errors.")
    predictor, dataset = build_predictor(settings), open_dataset(data, split=split)
    check_labels(predictor.labels, dataset.labels)
    if cluster:
        evaluation = _score_on_ray(to, settings, dataset, metrics, address, workers)
    else:
        evaluation = _score(to, predictor, dataset, metrics, watch)
    print_scores(to, evaluation)
    facts: dict[str, Any] = evaluation.to_json()
    if not cluster:
        to.print(f"[dim]Speed in this run: {watch.words}[/]")
        facts["speed"] = watch.to_json()
    if save_counts is not None:
        _keep(to, evaluation, save_counts)
    if report is not None:
        rival = None if second is None else (str(against), build_predictor(second))
        _report(to, report, (str(model), predictor), evaluation, dataset, rival=rival)
    if calibrate:
        facts["calibration"] = _calibrate(to, model, predictor, dataset)
    if tune_postprocess:
        facts["postprocess"] = _tune(to, predictor, dataset)
    write_json(json, facts)


def _score(
    to: Console, predictor: "Predictor", dataset: "SegmentationDataset", metrics: str, watch: "Stopwatch"
) -> "Evaluation":
    from terrazzo.evaluate import evaluate as score
    from terrazzo.metrics import build_meters, fitting_meters

    names = [name.strip() for name in metrics.split(",") if name.strip()]
    chosen = fitting_meters(dataset.labels) if names == ["all"] else names
    meters = build_meters(chosen, dataset.labels)
    with progress_bar(to, "scoring") as progress:
        return score(predictor, dataset, meters=meters, watch=watch, progress=progress)


def _score_on_ray(
    to: Console,
    settings: "PredictSettings",
    dataset: "SegmentationDataset",
    metrics: str,
    address: str | None,
    workers: int | None,
) -> "Evaluation":
    from terrazzo.evaluate.engine_ray import evaluate_with_ray

    names = [name.strip() for name in metrics.split(",") if name.strip()]
    with progress_bar(to, "scoring") as progress:
        return evaluate_with_ray(
            settings, dataset, address=address, workers=workers, meters=names, progress=progress
        )


def _tune(to: Console, predictor: "Predictor", dataset: "SegmentationDataset") -> dict[str, Any]:
    from terrazzo.evaluate.tune_postprocess import tune

    with progress_bar(to, "tuning") as progress:
        found = tune(predictor, dataset, progress=progress)
    to.print(found.words)
    if found.chosen != "none":
        to.print(f'Use it by: --postprocess "{found.chosen}"', markup=False)
    facts: dict[str, Any] = found.to_json()
    return facts


def _keep(to: Console, evaluation: "Evaluation", path: Path) -> None:
    from terrazzo.evaluate import save_evaluation

    save_evaluation(path, evaluation)
    to.print(f"Counts:  {path}")


def _report(
    to: Console,
    place: Path,
    scored: "tuple[str, Predictor]",
    evaluation: "Evaluation",
    dataset: "SegmentationDataset",
    *,
    rival: "tuple[str, Predictor] | None",
) -> None:
    """Write one page, or a folder that shows every image under one model or two."""
    from terrazzo.evaluate import Contender, write_explorer, write_report
    from terrazzo.evaluate import evaluate as score

    name, predictor = scored
    title = f"{Path(name).name} on {dataset.kind} {dataset.split}"
    if place.suffix == ".html":
        facts = predictor.card.facts()
        write_report(
            place, evaluation, dataset=dataset, predict=predictor.predict, title=title, model_facts=facts
        )
        to.print(f"Report: {place}")
        return
    contenders = [Contender(name, evaluation, predictor.answer, predictor.card.facts())]
    if rival is not None:
        with progress_bar(to, f"scoring {rival[0]}") as progress:
            found = score(rival[1], dataset, progress=progress)
        contenders.append(Contender(rival[0], found, rival[1].answer, rival[1].card.facts()))
    with progress_bar(to, "drawing") as progress:
        page = write_explorer(place, contenders, dataset=dataset, title=title, progress=progress)
    to.print(f"Report: {page}")


def _calibrate(
    to: Console, model: Path, predictor: "Predictor", dataset: "SegmentationDataset"
) -> dict[str, Any]:
    from terrazzo.evaluate import calibrate as fit
    from terrazzo.evaluate import store

    with progress_bar(to, "calibrating") as progress:
        found = fit(predictor, dataset, progress=progress)
    to.print(found.verdict)
    for note in found.notes:
        to.print(f"[dim]Note: {note}[/]")
    store(model, found)
    to.print(f"The temperature is kept in {model}.")
    facts: dict[str, Any] = found.to_json()
    return facts
