"""From logits at output stride to loss, labels and counts: our kernels beside eager and compiled PyTorch.

    python -m benchmarks.kernels [--turns 9] [--only loss|argmax|region|confusion]

All subjects of a case take turns in one process; a figure is the median of its turns, a ratio the median of
the ratios of neighbouring turns. Extra memory is what the process's resident set grows by at most during one
call, beside the logits and targets. The logits are of two kinds: `network`, smooth over the image with a
class that leads in every region, as trained networks give them, and `noise`, independent normal numbers.
Each side has its targets in the type it likes best: int64 for PyTorch, uint8 for ours.
"""

import argparse
import ctypes
import gc
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks import machine
from benchmarks.kernels_page import page_table
from benchmarks.pages import fill
from terrazzo.kernels import count_confusion, upsample_argmax, upsample_cross_entropy, upsample_region_sums

CASES = [(19, 8, 512, 1024), (21, 4, 512, 512), (150, 4, 512, 512), (11, 1, 360, 480)]
"""Classes, stride, height, width."""

BATCHES = (2, 8)
RESULT = Path("benchmarks/results/kernels.json")
PAGE = Path("docs/kernels.md")

Case = tuple[int, int, int, int]
Subjects = dict[str, Callable[[], object]]


def example(case: Case, batch: int, logits: str) -> tuple[Tensor, Tensor]:
    """Return logits (B, K, h, w) float32 and targets (B, H, W) int64 with 5 % void."""
    num_classes, stride, height, width = case
    noise = torch.Generator().manual_seed(0)
    h, w = -(-height // stride), -(-width // stride)
    target = torch.randint(0, num_classes, (batch, 1, 8, 8), generator=noise).float()
    target = F.interpolate(target, (height, width)).squeeze(1).long()
    values = torch.randn(batch, num_classes, h, w, generator=noise)
    if logits == "network":
        values = F.interpolate(
            torch.randn(batch, num_classes, 12, 12, generator=noise), (h, w), mode="bicubic"
        )
        small = F.interpolate(target[:, None].float(), (h, w)).long()
        values = (3 * values).scatter_add(1, small, torch.full(small.shape, 6.0))
        values += 0.3 * torch.randn(values.shape, generator=noise)
    target[torch.rand(target.shape, generator=noise) < 0.05] = 255
    return values.contiguous(), target


def widened(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """What every library writes."""
    if logits.shape[2:] == size:
        return logits
    return F.interpolate(logits, size, mode="bilinear", align_corners=False)


def eager_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Interpolate, then take the loss."""
    size = (target.shape[1], target.shape[2])
    return F.cross_entropy(widened(logits, size), target, ignore_index=255)


def eager_region(logits: Tensor, target: Tensor) -> Tensor:
    """Interpolate, softmax, one-hot, sums: the usual soft Dice."""
    valid = (target != 255).unsqueeze(1)
    probability = widened(logits, (target.shape[1], target.shape[2])).softmax(1) * valid
    truth = F.one_hot(target.where(target != 255, 0), logits.shape[1]).movedim(-1, 1) * valid
    return torch.stack(
        [(probability * truth).sum((0, 2, 3)), probability.sum((0, 2, 3)), truth.sum((0, 2, 3))]
    )


def with_backward(loss: Callable[[Tensor], Tensor], logits: Tensor) -> Callable[[], object]:
    """Return a call of forward and backward."""
    leaf = logits.detach().clone().requires_grad_()

    def both() -> None:
        loss(leaf).sum().backward()  # type: ignore[no-untyped-call]
        leaf.grad = None  # so that the next call's extra memory counts its gradient

    return both


def small_ids(target: Tensor, num_classes: int) -> Tensor:
    """Return the labels in our type."""
    return target.to(torch.uint8 if num_classes <= 255 else torch.int16)


def loss_subjects(case: Case, logits: Tensor, target: Tensor, compiled: bool) -> Subjects:
    """Cross-entropy, forward and backward."""
    ours = small_ids(target, case[0])
    subjects = {
        "ours": with_backward(lambda x: upsample_cross_entropy(x, ours, stride=case[1]), logits),
        "eager": with_backward(lambda x: eager_loss(x, target), logits),
    }
    if compiled:
        fused = torch.compile(eager_loss)
        subjects["compiled"] = with_backward(lambda x: fused(x, target), logits)
    return subjects


def region_subjects(case: Case, logits: Tensor, target: Tensor, compiled: bool) -> Subjects:
    """The sums of soft Dice, forward and backward."""
    ours = small_ids(target, case[0])
    return {
        "ours": with_backward(lambda x: upsample_region_sums(x, ours, stride=case[1]), logits),
        "eager": with_backward(lambda x: eager_region(x, target), logits),
    }


def argmax_subjects(case: Case, logits: Tensor, target: Tensor, compiled: bool) -> Subjects:
    """Labels at full size."""
    size = (case[2], case[3])

    def eager(x: Tensor) -> Tensor:
        return widened(x, size).argmax(1)

    fused = torch.compile(eager) if compiled else eager
    subjects: Subjects = {
        "ours": lambda: upsample_argmax(logits, size, stride=case[1]),
        "eager": lambda: eager(logits),
        "eager_max": lambda: widened(logits, size).max(1).indices,
        "eager_channels_last": lambda: eager(logits.contiguous(memory_format=torch.channels_last)),
    }
    return subjects | ({"compiled": lambda: fused(logits)} if compiled else {})


KINDS = {"loss": loss_subjects, "argmax": argmax_subjects, "region": region_subjects}


def times(subjects: Subjects, turns: int) -> dict[str, list[float]]:
    """Let the subjects take turns; return seconds per call. Short calls are repeated within a turn."""
    repeats = {}
    for name, call in subjects.items():
        call()
        start = time.perf_counter()
        call()
        repeats[name] = max(1, int(0.02 / (time.perf_counter() - start)))
    seconds: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(turns):
        for name, call in subjects.items():
            gc.collect()
            start = time.perf_counter()
            for _ in range(repeats[name]):
                call()
            seconds[name].append((time.perf_counter() - start) / repeats[name])
    return seconds


def extra_memory(call: Callable[[], object]) -> int:
    """Return by how many bytes the resident set grows at most during one call (Linux)."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # sets the high-water mark back
    before = _status("VmRSS")
    result = call()
    peak = _status("VmHWM")
    del result
    return max(peak - before, 0)


def _status(field: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


def measured(subjects: Subjects, turns: int, full_bytes: int) -> dict[str, Any]:
    """Return times, ratios to ours, and extra memory of every subject."""
    seconds = times(subjects, turns)
    rows = {}
    for name, call in subjects.items():
        memory = extra_memory(call)
        ratios = [theirs / ours for theirs, ours in zip(seconds[name], seconds["ours"], strict=True)]
        rows[name] = {
            "ms": round(1e3 * statistics.median(seconds[name]), 3),
            "times_ours": round(statistics.median(ratios), 2),
            "extra_mib": round(memory / 2**20, 2),
            "extra_of_full_logits": round(memory / full_bytes, 4),
        }
    return rows


def kernel_cases(kind: str, turns: int, compiled: bool) -> list[dict[str, Any]]:
    """Measure one kernel in every case."""
    results = []
    for case in CASES:
        for batch in BATCHES:
            for source in ("network",) if kind == "region" else ("network", "noise"):
                torch._dynamo.reset()
                logits, target = example(case, batch, source)
                subjects = KINDS[kind](case, logits, target, compiled and source == "network")
                full = batch * case[0] * case[2] * case[3] * 4
                facts = dict(zip(("classes", "stride", "height", "width"), case, strict=True))
                row: dict[str, Any] = {"kernel": kind, **facts, "batch": batch, "logits": source}
                row["subjects"] = measured(subjects, turns, full)
                print(_line(row), flush=True)
                results.append(row)
    return results


def confusion_cases(turns: int) -> list[dict[str, Any]]:
    """Measure counting beside torchmetrics' update, labels as each side has them."""
    from torchmetrics.classification import MulticlassConfusionMatrix

    results = []
    for num_classes, _, height, width in CASES:
        _, target = example((num_classes, 1, height, width), 8, "noise")
        noise = torch.Generator().manual_seed(1)
        answer = torch.where(
            torch.rand(target.shape, generator=noise) < 0.8,
            target.where(target != 255, 0),
            torch.randint(0, num_classes, target.shape, generator=noise),
        )
        metric = MulticlassConfusionMatrix(num_classes, ignore_index=255)
        pair = (small_ids(answer, num_classes).numpy(), small_ids(target, num_classes).numpy())
        subjects: Subjects = {
            "ours": lambda pair=pair, k=num_classes: count_confusion(*pair, k),  # type: ignore[misc]
            "torchmetrics": lambda metric=metric, a=answer, t=target: metric.update(a, t),  # type: ignore[misc]
        }
        np.testing.assert_array_equal(count_confusion(*pair, num_classes), metric(answer, target).numpy())
        row: dict[str, Any] = {"kernel": "confusion", "classes": num_classes, "stride": 1}
        row |= {"height": height, "width": width, "batch": 8, "logits": "-"}
        row["subjects"] = measured(subjects, turns, target.numel() * 4)
        print(_line(row), flush=True)
        results.append(row)
    return results


def _line(row: dict[str, Any]) -> str:
    case = f"{row['kernel']:9s} K={row['classes']:3d} s={row['stride']} B={row['batch']} {row['logits']:7s}"
    return case + "".join(
        f" | {name} {facts['ms']:.2f} ms ({facts['times_ours']:.2f}x, {facts['extra_mib']:.1f} MiB)"
        for name, facts in row["subjects"].items()
    )


def main() -> None:
    """Measure all, or what was asked for, and keep the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--only", choices=[*KINDS, "confusion"])
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    machine.warn_if_busy()
    facts = machine.facts()
    kinds = [given.only] if given.only else [*KINDS, "confusion"]
    for kind in kinds:
        if kind == "confusion":
            new = confusion_cases(given.turns)
        else:
            new = kernel_cases(kind, given.turns, not given.no_compile)
        keep(given.out, kind, {"machine": facts, "turns": given.turns}, new)
    if given.out == RESULT:
        fill(PAGE, "kernels", page_table(json.loads(RESULT.read_text())["cases"]))


def keep(file: Path, kind: str, facts: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Write the rows of one kernel down at once; those of the others stay."""
    cases = json.loads(file.read_text())["cases"] if file.exists() else []
    order = [*KINDS, "confusion"]
    cases = sorted(
        [row for row in cases if row["kernel"] != kind] + rows, key=lambda row: order.index(row["kernel"])
    )
    file.write_text(json.dumps({**facts, "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
