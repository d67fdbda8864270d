"""The report: one HTML file that shows what a score means, and opens from a disk without network."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from terrazzo.core import LabelMap
from terrazzo.datasets import SegmentationDataset
from terrazzo.evaluate.details import sections
from terrazzo.evaluate.evaluation import Evaluation
from terrazzo.evaluate.examples import Example, choose, make_example
from terrazzo.evaluate.run import Predict, ids_and_prediction
from terrazzo.figures import class_bars, confusion_heat_map, legend, render, save, training_curves

TEMPLATES = Path(__file__).parent / "templates"


def write_report(
    path: Path | str,
    evaluation: Evaluation,
    *,
    dataset: SegmentationDataset,
    predict: Predict,
    title: str,
    history: Sequence[Mapping[str, Any]] | None = None,
    model_facts: Mapping[str, str] | None = None,
) -> Path:
    """Write a self-contained HTML page: score, protocol, classes, confusions, meters, examples, curves.

    Args:
        path: the HTML file; its folder is made, a file there is replaced.
        evaluation: what to report.
        dataset: what was evaluated: the example images come from it.
        predict: from a raw image (H, W, C) to train ids (H, W), the model that was evaluated.
        title: the page's heading.
        history: rows of `log.csv`, numbers or text (see `figures.training_curves`); None: no curves.
        model_facts: what to say about the model, name -> value.

    Returns:
        The path of the file.

    Raises:
        TerrazzoError: the file cannot be written.
    """
    page = render(
        TEMPLATES,
        "report.html",
        examples=_examples(evaluation, dataset, predict),
        **head(evaluation, dataset.labels, title=title, history=history, model_facts=model_facts),
    )
    return save(Path(path), page)


def head(
    evaluation: Evaluation,
    labels: LabelMap,
    *,
    title: str,
    history: Sequence[Mapping[str, Any]] | None,
    model_facts: Mapping[str, str] | None,
) -> dict[str, Any]:
    """Return what `report.html` is filled with, beside its example images; arguments as `write_report`."""
    return {
        "title": title,
        "facts": evaluation.to_json(),
        "rows": evaluation.rows(),
        "legend": legend(labels),
        "bars": _bars(evaluation),
        "confusions": evaluation.confusions(),
        "confusion": confusion_heat_map(evaluation.counts.pooled, labels.names),
        "sections": sections(evaluation.details),
        "curves": training_curves(history or ()),
        "model_facts": dict(model_facts or {}),
    }


def _bars(evaluation: Evaluation) -> str:
    rows = evaluation.rows()
    columns = ([row[key] for row in rows] for key in ("name", "iou", "precision", "recall"))
    return class_bars(*columns)


def _examples(
    evaluation: Evaluation, dataset: SegmentationDataset, predict: Predict
) -> dict[str, list[Example]]:
    """Predict the chosen images once more, kind by kind, and draw them."""
    place = {id: index for index, id in enumerate(dataset.ids)}

    def drawn(index: int) -> Example:
        sample = dataset[place[evaluation.counts.ids[index]]]
        ids, _ = ids_and_prediction(predict(sample["image"]))
        return make_example(evaluation, index, sample, ids, dataset.labels)

    return {kind: [drawn(index) for index in indices] for kind, indices in choose(evaluation).items()}
