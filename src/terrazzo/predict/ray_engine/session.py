"""Starting or joining Ray, quietly and without telemetry, and the one call that spreads work over it."""

import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from terrazzo.core.errors import (
    CheckpointError,
    DataError,
    MissingExtraError,
    RequestError,
    TerrazzoError,
)

OBJECT_STORE_BYTES = 256 * 2**20
"""Of a Ray that is started here: only paths and rows of the manifest lie in it."""

USUAL_CPUS = 4
"""Of one worker, where nobody says how many workers there shall be."""

MANY_TASKS = 4096
"""Up to here every task is handed out by itself; of more, a few at a time."""

Row = dict[str, Any]

KINDS = {kind.__name__: kind for kind in (CheckpointError, DataError, RequestError)}
"""Errors that keep their kind on the way here."""


@dataclass(frozen=True)
class Crew:
    """The workers that a cluster is asked for."""

    workers: int
    cpus: int
    """Of each worker: Ray lets torch use so many threads."""

    gpus: int = 0
    """Of each worker, 0 or 1."""


def import_ray() -> Any:
    """Return the module, with its telemetry switched off.

    Raises:
        MissingExtraError: it is not installed.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # read by the processes that Ray starts, too
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its processes write into our terminal
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # Ray warns where it is not decided
    try:
        import ray
        import ray.data
    except ImportError:
        raise MissingExtraError(
            "The engine ray needs Ray, which is not installed: pip install 'terrazzo[ray]'."
        ) from None
    return ray


@contextmanager
def crew(address: str | None, workers: int | None, device: str) -> Iterator[Crew]:
    """Start or join a cluster for as long as the block lasts.

    A Ray that is started here is stopped; a cluster that was joined is left as it was; a Ray that this
    process had already is used and left alone.

    Args:
        address: of a cluster, as `ray://head:10001`, `head:6379` or `auto`; None: this machine alone.
        workers: processes that predict; by default one for each GPU, or for every four CPUs.
        device: of the settings; on `auto` and `cuda` every worker is given a GPU of its own where there are.

    Raises:
        RequestError: no cluster answers, or it is too small.
    """
    if workers is not None and workers < 1:
        raise RequestError(f"{workers} workers were asked for; expected 1 or more.")
    ray = import_ray()
    ours = not ray.is_initialized()
    if ours:
        _init(ray, address, workers)
    try:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        yield plan_crew(nodes, workers, device)
    finally:
        if ours:
            ray.shutdown()


def _init(ray: Any, address: str | None, workers: int | None) -> None:
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    if address is None:
        cpus = max(workers or 1, _cpus_here())
        ray.init(
            "local",
            num_cpus=cpus,
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            **quiet,
        )
        return
    try:
        ray.init(address, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        why = (str(error).strip().splitlines() or ["no answer"])[0]
        raise RequestError(
            f"No Ray cluster could be joined at {address} ({why}). Check the address (ray://HEAD:10001, or "
            "auto on a machine of the cluster) and that it runs; without an address this machine is used."
        ) from error


def _cpus_here() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def plan_crew(nodes: Sequence[Mapping[str, float]], workers: int | None, device: str) -> Crew:
    """Decide how many workers there are and what each is given.

    Args:
        nodes: what each machine has, as `{"CPU": 8.0, "GPU": 1.0}`.
        workers: as many as were asked for.
        device: of the settings.

    Raises:
        RequestError: there is not room for so many, or the device names one GPU of one machine.
    """
    cpus = [int(node.get("CPU", 0)) for node in nodes]
    gpus = sum(int(node.get("GPU", 0)) for node in nodes)
    if device.startswith("cuda:"):
        raise RequestError(f"The device is {device!r}; Ray hands out GPUs itself: give cuda, or auto.")
    on_gpus = device == "cuda" or (device == "auto" and gpus > 0)
    room, what = (gpus, "GPUs") if on_gpus else (sum(cpus), "CPUs")
    wanted = workers or (gpus if on_gpus else max(1, sum(cpu // USUAL_CPUS for cpu in cpus)))
    if not 0 < wanted <= room:
        raise RequestError(
            f"{wanted or 'no'} workers do not fit into a cluster of {room} {what}. Ask for fewer, "
            "choose another device, or add machines."
        )
    # As many CPUs for each as still leave room for all of them; a worker cannot span two machines.
    each = [n for n in range(1, max(cpus) + 1) if sum(cpu // n for cpu in cpus) >= wanted]
    return Crew(wanted, max(each, default=1), int(on_gpus))


def map_rows(crew: Crew, actor: type, arguments: Mapping[str, Any], tasks: Sequence[Row]) -> Iterator[Row]:
    """Have workers answer tasks, and yield their rows as they come, in any order.

    A worker that dies is replaced, and its tasks are done again, as often as it takes (that is how Ray Data
    runs actors): a task that kills its worker must say so itself the next time.

    Args:
        crew: how many workers, and what each is given.
        actor: a class; its `__call__` turns {"task": JSON texts} into {"row": JSON texts}.
        arguments: of its constructor.
        tasks: plain values.

    Raises:
        TerrazzoError: a worker says that nothing can go on, or Ray itself fails.
    """
    if not tasks:
        return
    ray = import_ray()
    blocks = max(min(len(tasks), MANY_TASKS), len(tasks) // 16)
    data = ray.data.from_items([{"task": json.dumps(task)} for task in tasks], override_num_blocks=blocks)
    data.context.enable_progress_bars = False
    answers = data.map_batches(
        actor,
        fn_constructor_kwargs=dict(arguments),
        batch_size=1,
        concurrency=crew.workers,
        num_cpus=crew.cpus,
        num_gpus=crew.gpus,
    )
    try:
        yield from _whole(answers.iter_rows())
    except ray.exceptions.RayError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
        raise TerrazzoError(
            f"Ray cannot go on: {lines[-1]} What is finished stays; the same command goes on from there."
        ) from error


def _whole(rows: Iterable[Mapping[str, str]]) -> Iterator[Row]:
    for row in rows:
        answer: Row = json.loads(row["row"])
        if "fatal" in answer:
            raise KINDS.get(answer["kind"], TerrazzoError)(answer["fatal"])
        yield answer
