"""`terrazzo evaluate`: a model and data become scores."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from terrazzo.cli.output import JsonOption, console, print_scores, progress_bar, say_notes, write_json
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
from terrazzo.cli.scoring import Scorer, metric_names
from terrazzo.core.errors import RequestError

if TYPE_CHECKING:
    from terrazzo.datasets import SegmentationDataset
    from terrazzo.evaluate import Contender, Evaluation
    from terrazzo.predict import Predictor, PredictSettings

CONFUSIONS = 20
"""How many of the largest mistakes the JSON names."""


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
    device: DeviceOption = "auto",
    json: JsonOption = None,
    engine: EngineOption = "local",
    address: AddressOption = None,
    workers: WorkersOption = None,
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
    scorer = Scorer(to, dataset, cluster, address, workers)
    evaluation = scorer.score(settings, watch, metric_names(metrics, dataset), predictor=predictor)
    if report is not None and settings.tta != "none":
        evaluation = scorer.with_gain(settings, evaluation, watch)
    print_scores(to, evaluation)
    facts: dict[str, Any] = {**evaluation.to_json(), "confusions": evaluation.confusions(limit=CONFUSIONS)}
    if not cluster:
        to.print(f"Speed in this run: {watch.words}", style="dim")
        facts["speed"] = watch.to_json()
    if save_counts is not None:
        _keep(to, evaluation, save_counts)
    if report is not None:
        rival = None if second is None else _rival(str(against), second, scorer)
        speed = {} if cluster else {"speed in this run": watch.words}
        _report(to, report, (str(model), predictor), evaluation, dataset, rival=rival, speed=speed)
    if calibrate:
        facts["calibration"] = _calibrate(to, model, predictor, dataset)
    if tune_postprocess:
        facts["postprocess"] = _tune(to, predictor, dataset)
    write_json(json, facts)


def _tune(to: Console, predictor: "Predictor", dataset: "SegmentationDataset") -> dict[str, Any]:
    from terrazzo.evaluate.tune_postprocess import tune

    with progress_bar(to, "tuning") as progress:
        found = tune(predictor, dataset, progress=progress)
    to.print(found.words)
    say_notes(to, found.notes)
    if found.chosen != "none":
        to.print(f'Use it by: --postprocess "{found.chosen}"')
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
    rival: "Contender | None",
    speed: dict[str, str],
) -> None:
    """Write one page, or a folder that shows every image under one model or two."""
    from terrazzo.evaluate import Contender, write_explorer, write_report

    name, predictor = scored
    title = f"{Path(name).name} on {dataset.kind} {dataset.split}"
    facts = {**predictor.card.facts(), **speed}
    if place.suffix == ".html":
        write_report(
            place, evaluation, dataset=dataset, predict=predictor.predict, title=title, model_facts=facts
        )
        to.print(f"Report: {place}")
        return
    first = Contender(name, evaluation, predictor.answer, facts)
    contenders = [first] if rival is None else [first, rival]
    with progress_bar(to, "drawing") as progress:
        page = write_explorer(place, contenders, dataset=dataset, title=title, progress=progress)
    to.print(f"Report: {page}")


def _rival(name: str, settings: "PredictSettings", scorer: Scorer) -> "Contender":
    """Score the second model as the first was."""
    from terrazzo.evaluate import Contender, Stopwatch
    from terrazzo.predict import build_predictor

    predictor = build_predictor(settings)
    found = scorer.score(settings, Stopwatch(), predictor=predictor, saying=f"scoring {name}")
    return Contender(name, found, predictor.answer, predictor.card.facts())


def _calibrate(
    to: Console, model: Path, predictor: "Predictor", dataset: "SegmentationDataset"
) -> dict[str, Any]:
    from terrazzo.evaluate import calibrate as fit
    from terrazzo.evaluate import store

    with progress_bar(to, "calibrating") as progress:
        found = fit(predictor, dataset, progress=progress)
    to.print(found.verdict)
    say_notes(to, found.notes)
    store(model, found)
    to.print(f"The temperature is kept in {model}.")
    facts: dict[str, Any] = found.to_json()
    return facts
