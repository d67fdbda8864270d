"""Writing an explorer: pictures of every image first, the page that names them last, then the former ones go.

Each image is predicted once more, all models in turn, and drawn before the next: memory is that of one image,
two models are drawn on the same pixels, and evaluating stays free of pictures and of disks. What is
predicted is compared with what was counted, so that pictures and numbers cannot part.
"""

import json
import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from terrazzo.core import LabelMap, RequestError, TerrazzoError
from terrazzo.datasets import SegmentationDataset
from terrazzo.evaluate.explorer.contender import Contender, check_contenders, check_repeats
from terrazzo.evaluate.explorer.pictures import draw_pictures
from terrazzo.evaluate.explorer.rows import image_row, only_right
from terrazzo.evaluate.report import TEMPLATES, head
from terrazzo.evaluate.run import Progress, ids_and_prediction
from terrazzo.figures import page_labels, render, save

PAGE: Final = "index.html"
PICTURES: Final = re.compile(r"explorer-pictures-[0-9a-f]{8}")
OURS: Final = '<meta name="generator" content="terrazzo explorer">'
SCRIPTS: Final = ("state", "choose", "build", "grid", "matrix", "pixels", "detail", "keys")
"""Files of the page's one script, in this order."""


def write_explorer(
    folder: Path | str,
    contenders: Sequence[Contender],
    *,
    dataset: SegmentationDataset,
    title: str,
    history: Sequence[Mapping[str, Any]] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write a folder that shows every image of a dataset with what one or two models made of it.

    Interrupted at any moment, the folder shows what it showed before; other files in it are left alone.

    Args:
        folder: made where it is not there; an explorer in it is replaced.
        contenders: one model, or two that were evaluated on the same data.
        dataset: what was evaluated.
        title: the page's heading.
        history: rows of `log.csv` of the first model, for its training curves.
        progress: called after every image.

    Returns:
        The page, `index.html` in the folder; it opens from the disk.

    Raises:
        RequestError: the models cannot be shown together, or a page that is not ours is in the way.
        TerrazzoError: the folder cannot be written.
    """
    folder = Path(folder)
    check_contenders(contenders, dataset)
    _refuse_foreign(folder / PAGE)
    pictures = folder / f"explorer-pictures-{secrets.token_hex(4)}"
    labels = page_labels(dataset.labels)
    try:
        pictures.mkdir(parents=True)
        rows = _draw_all(pictures, contenders, dataset, labels, progress)
        page = _page(contenders, labels, rows, pictures.name, title=title, history=history)
        path = save(folder / PAGE, page)
    except OSError as error:
        shutil.rmtree(pictures, ignore_errors=True)
        raise _cannot_write(folder, error) from error
    except BaseException:
        shutil.rmtree(pictures, ignore_errors=True)
        raise
    _remove_former(folder, keep=pictures.name)
    return path


def _draw_all(
    pictures: Path,
    contenders: Sequence[Contender],
    dataset: SegmentationDataset,
    labels: LabelMap,
    progress: Progress | None,
) -> list[dict[str, Any]]:
    """Predict and draw image by image; return the page's rows."""
    places = [{id: i for i, id in enumerate(c.evaluation.counts.ids)} for c in contenders]
    rows = []
    for index in range(len(dataset)):
        sample = dataset[index]
        id, truth = sample["id"], sample["mask"]
        said = [ids_and_prediction(contender.predict(sample["image"])) for contender in contenders]
        for contender, place, (ids, _) in zip(contenders, places, said, strict=True):
            check_repeats(contender, id, place[id], ids, truth)
        name = f"{index:05}"
        size = draw_pictures(pictures / name, sample, said, labels)
        matrices = [c.evaluation.counts.matrix(p[id]) for c, p in zip(contenders, places, strict=True)]
        row = image_row(id, sample["group"], name, size, matrices)
        if len(said) == 2:
            row["only"] = only_right([ids for ids, _ in said], truth, labels.ignore_index)
        rows.append(row | {"confidence": [prediction is not None for _, prediction in said]})
        if progress is not None:
            progress(index + 1, len(dataset))
    return rows


def _page(
    contenders: Sequence[Contender],
    labels: LabelMap,
    rows: Sequence[dict[str, Any]],
    pictures: str,
    *,
    title: str,
    history: Sequence[Mapping[str, Any]] | None,
) -> str:
    first = contenders[0]
    data = {
        "pictures": pictures,
        "classes": [
            {"name": c.name, "color": "#{:02x}{:02x}{:02x}".format(*c.color)} for c in labels.classes
        ],
        "models": [_model(contender) for contender in contenders],
        "images": list(rows),
    }
    return render(
        TEMPLATES,
        "explorer.html",
        script=script(),
        data=as_json(data),
        models=[_head_line(contender) for contender in contenders],
        compared=_compared(contenders),
        examples={},
        **head(first.evaluation, labels, title=title, history=history, model_facts=first.facts),
    )


def script() -> str:
    """Return the page's script: the files in their order, in one scope of their own."""
    parts = [(TEMPLATES / "explorer" / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS]
    return '(() => {\n"use strict";\n' + "\n".join(parts) + "})();\n"


def as_json(data: Any) -> str:
    """Return JSON that may stand within a `<script>` element: no tag can begin or end in it."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _model(contender: Contender) -> dict[str, Any]:
    evaluation = contender.evaluation
    return {"name": contender.name, "matrix": evaluation.counts.pooled.tolist()}


def _head_line(contender: Contender) -> dict[str, Any]:
    facts = contender.evaluation.to_json()
    return {"name": contender.name, "miou": facts["miou"], "interval": facts["miou_interval"]}


def _compared(contenders: Sequence[Contender]) -> list[dict[str, Any]]:
    """Return the classes' IoU side by side; empty for one model."""
    if len(contenders) < 2:
        return []
    first, second = (contender.evaluation.rows() for contender in contenders)
    pairs = [(a["name"], a["iou"], b["iou"]) for a, b in zip(first, second, strict=True)]
    return [{"name": n, "a": a, "b": b, "gain": None if None in {a, b} else b - a} for n, a, b in pairs]


def _refuse_foreign(page: Path) -> None:
    """Never replace a page that somebody else wrote."""
    if page.is_file() and OURS not in page.read_text(encoding="utf-8", errors="replace"):
        raise RequestError(
            f"{page} is in the way: it is not a page of this program, and would be lost. "
            "Move it, or choose another folder."
        )


def _remove_former(folder: Path, *, keep: str) -> None:
    """Remove the pictures of former pages, and of such as were interrupted."""
    for entry in folder.iterdir():
        if PICTURES.fullmatch(entry.name) and entry.name != keep:
            shutil.rmtree(entry, ignore_errors=True)


def _cannot_write(folder: Path, error: OSError) -> TerrazzoError:
    return TerrazzoError(
        f"The explorer cannot be written to {folder}: {error.strerror or error}. "
        "Choose a folder that can be written and has space."
    )
