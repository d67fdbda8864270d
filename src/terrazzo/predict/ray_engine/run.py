"""Predict many files on many workers: the outputs of `predict_files`, byte for byte, and a manifest."""

import hashlib
import json
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from os import PathLike
from pathlib import Path

from terrazzo import __version__
from terrazzo.checkpoint.manifest import MANIFEST, file_facts
from terrazzo.core.errors import DataError, RequestError
from terrazzo.core.volume_files import is_volume, volume_stem
from terrazzo.predict.confidence import Kind
from terrazzo.predict.files import (
    PredictedFile,
    Progress,
    make_folder,
    plan_files,
    report_failures,
    takes_volumes,
)
from terrazzo.predict.predictor import Predictor
from terrazzo.predict.ray_engine.manifest import NAME, Manifest
from terrazzo.predict.ray_engine.session import Row, crew, map_rows
from terrazzo.predict.ray_engine.sources import find_sources, is_url, plain_path
from terrazzo.predict.ray_engine.worker import RESULTS, PredictActor
from terrazzo.predict.settings import PredictSettings, build_predictor
from terrazzo.predict.sources import AnyPath


@dataclass(frozen=True)
class RayResult:
    """What a run over a cluster left behind."""

    manifest: Path
    """One line of JSON for each image."""

    rows: tuple[Row, ...]
    """Those of this run, in the order of its images; see `manifest`."""

    skipped: int
    """How many were finished already."""

    @property
    def files(self) -> list[PredictedFile]:
        """The results, as `predict_files` returns them; of a URL the image is its last part's path."""
        return [
            PredictedFile(Path(row["image"]), **{key: row[key] and Path(row[key]) for key in RESULTS})
            for row in self.rows
        ]

    def to_json(self) -> list[Row]:
        """Return the rows."""
        return list(self.rows)


def predict_with_ray(
    settings: PredictSettings,
    inputs: AnyPath | Sequence[AnyPath],
    out: AnyPath,
    *,
    address: str | None = None,
    workers: int | None = None,
    overlay: bool = False,
    probabilities: bool = False,
    confidence: Kind | None = None,
    progress: Progress | None = None,
) -> RayResult:
    """Write the labels of images as `predict_files` does, with workers of a Ray cluster.

    A worker that is killed is replaced and its images are done again; every output appears whole, once,
    under its final name. Run again, images whose results are there and unchanged are not predicted again:
    the same image (by size and time), the same models and settings, and the sha256 in the manifest.

    Args:
        settings: what to predict with; model folders must be reachable by all workers under one path.
        inputs: image files and folders, tables (.csv, .tsv, .parquet) with a column `image`, URLs that
            pyarrow reads (s3://, gs://, hdfs://, file://).
        out: folder for results and `manifest.jsonl`; shared by all machines.
        address: of a cluster, as `ray://head:10001` or `auto`; None: workers on this machine.
        workers: how many; by default one for each GPU, or for every four CPUs.
        overlay: also write `STEM_overlay.png`.
        probabilities: also write `STEM_probabilities.npz`.
        confidence: also write `STEM_confidence.png`, by "max" or "entropy".
        progress: called after each image.

    Raises:
        RequestError: Ray is missing, the cluster cannot be joined, or outputs would collide.
        DataError: no image found; or, after all others are done, those that could not be predicted and why.
        TerrazzoError: nothing can go on: a folder that is not shared, a result that cannot be written.
    """
    if is_url(out):
        raise RequestError(f"{out} is a URL; results go to a folder that all machines share.")
    folder, settings = Path(out).absolute(), absolute(settings)
    volumes = takes_volumes(checked(settings), overlay=overlay, confidence=confidence)
    given = [inputs] if isinstance(inputs, str | PathLike) else inputs
    images = find_sources(given, folder, volumes=volumes)
    wanted = {"overlay": overlay, "probabilities": probabilities, "confidence": confidence is not None}
    plan = plan_files(list(map(plain_path, images)), folder, **wanted)
    make_folder(folder)
    manifest, request = Manifest(folder / NAME), _request(settings, confidence)
    tasks = [
        {**item.to_json(), "image": image, "request": request, "known": manifest.known(image, request)}
        for image, item in zip(images, plan, strict=True)
    ]
    with crew(address, workers, settings.device) as people, _shared(folder) as token:
        arguments = {"settings": settings, "version": __version__, "token": str(token), "kind": confidence}
        answers = map_rows(people, PredictActor, arguments, tasks)
        rows = _collect(answers, manifest, len(tasks), progress)
    _sweep(folder, plan)
    return _finish(manifest, tasks, rows)


def _collect(
    answers: Iterator[Row], manifest: Manifest, count: int, progress: Progress | None
) -> dict[str, Row]:
    """Take in rows as they come; the first of an image counts."""
    rows: dict[str, Row] = {}
    try:
        for row in answers:
            if rows.setdefault(row["image"], row) is not row:
                continue
            manifest.add({key: value for key, value in row.items() if key != "skipped"})
            if progress:
                progress(len(rows), count)
    finally:
        manifest.close()
    return rows


def _finish(manifest: Manifest, tasks: Sequence[Row], rows: dict[str, Row]) -> RayResult:
    """Put the manifest in order, and say what could not be predicted."""
    ordered = [rows.get(task["image"]) or _lost(task) for task in tasks]
    skipped = sum(bool(row.pop("skipped", False)) for row in ordered)
    manifest.finish(ordered)
    failures = [row["error"] for row in ordered if row["error"]]
    if failures:
        raise DataError(report_failures(failures, len(tasks), manifest.path.parent))
    return RayResult(manifest.path, tuple(ordered), skipped)


def _lost(task: Row) -> Row:
    """Return the row of an image that no worker answered for: Ray promises that there is none."""
    facts = {key: value for key, value in task.items() if key != "known"}
    empty = dict.fromkeys(("size", "seconds", "sha256", "version", "worker"))
    return {**facts, **empty, "error": f"{task['image']}: no worker answered for it. Run the command again."}


def absolute(settings: PredictSettings) -> PredictSettings:
    """Return the settings with paths that mean the same in every process."""
    return replace(settings, models=tuple(str(Path(folder).absolute()) for folder in settings.models))


def checked(settings: PredictSettings) -> Predictor:
    """Build the predictor once here: what is wrong with the settings is said before a cluster is started.

    Raises:
        CheckpointError: a model folder is missing or damaged.
        RequestError: the settings do not fit the models or each other.
    """
    return build_predictor(replace(settings, device="cpu"))


def _request(settings: PredictSettings, confidence: Kind | None) -> str:
    """Return a short sha256 of all that results depend on beside the image."""
    models = [file_facts(Path(folder) / MANIFEST).sha256 for folder in settings.models]
    facts = {**asdict(settings), "models": models, "device": None, "program": __version__}
    facts |= {} if confidence is None else {"confidence": confidence}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


@contextmanager
def _shared(folder: Path) -> Iterator[Path]:
    """Give a folder by which workers know that theirs of this path is the same one; see `PredictActor`."""
    token = folder / f".run-{secrets.token_hex(8)}"
    try:
        token.mkdir()
        yield token
    finally:
        shutil.rmtree(token, ignore_errors=True)


def _sweep(folder: Path, plan: Sequence[PredictedFile]) -> None:
    """Remove the unfinished files of workers that were killed while they wrote."""
    results = [path for item in plan for path in item.results]
    names = {volume_stem(path) if is_volume(path) else path.stem for path in results}
    for path in folder.glob(".*.new-*"):
        if path.name[1:].partition(".new-")[0] in names:
            path.unlink(missing_ok=True)
