"""Loss and labels at full resolution on a CUDA device: ours, eager PyTorch and its compiled form, in turn.

    python -m benchmarks.kernels_gpu
    python -m benchmarks.kernels_gpu --dtype bfloat16 --out other.json

First every kernel is compared with float64, then measured. A figure is the median over the turns, each turn
timed by events on the device. Memory is the peak above what was there before the call, its results included.
The roof of labelling: the bytes that must move (logits in, labels out) at the measured speed of a copy.
"""

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from terrazzo.core.prediction import logits_size, upsample
from terrazzo.kernels import upsample_argmax, upsample_cross_entropy

CASES = [(19, 8, (512, 1024)), (21, 4, (512, 512)), (150, 4, (512, 512)), (11, 1, (360, 480))]
BATCHES = (2, 8)
TURNS = 11
Call = Callable[[], Any]


def example(
    batch: int, num_classes: int, stride: int, size: tuple[int, int], dtype: torch.dtype, *, noise: float
) -> tuple[Tensor, Tensor]:
    """Return logits of smooth regions with some noise, and labels with a tenth void."""
    generator = torch.Generator("cuda").manual_seed(0)
    height, width = logits_size(size, stride)
    coarse = torch.randn(batch, num_classes, 9, 9, device="cuda", generator=generator) * 4
    logits = F.interpolate(coarse, (height, width), mode="bicubic")
    logits += noise * torch.randn(logits.shape, device="cuda", generator=generator)
    target = torch.randint(num_classes, (batch, *size), device="cuda", generator=generator)
    target[torch.rand(target.shape, device="cuda", generator=generator) < 0.1] = 255
    return logits.to(dtype).requires_grad_(), target.to(torch.uint8)


def eager_loss(logits: Tensor, target: Tensor, stride: int) -> Tensor:
    """Return the loss as it is commonly written."""
    full = (
        F.interpolate(logits.float(), scale_factor=stride, mode="bilinear") if stride > 1 else logits.float()
    )
    full = full[..., : target.shape[1], : target.shape[2]]
    return F.cross_entropy(full, target.long(), ignore_index=255)


def eager_labels(logits: Tensor, size: tuple[int, int], stride: int) -> Tensor:
    """Return the labels as they are commonly made."""
    full = F.interpolate(logits, scale_factor=stride, mode="bilinear") if stride > 1 else logits
    return full[..., : size[0], : size[1]].argmax(dim=1)


def with_gradient(loss: Callable[[], Tensor], logits: Tensor) -> Call:
    """Return a call of forward and backward."""
    return lambda: torch.autograd.grad(loss(), logits)


def check(logits: Tensor, target: Tensor, stride: int) -> dict[str, float]:
    """Compare with float64, on one image; return the largest relative errors."""
    logits, target = logits[:1].detach().requires_grad_(), target[:1]
    loss = upsample_cross_entropy(logits, target, stride=stride)
    (gradient,) = torch.autograd.grad(loss, logits)
    wide = logits.detach().double().requires_grad_()
    full = upsample(wide, target.shape[1:], stride=stride)
    expected = F.cross_entropy(full, target.long(), ignore_index=255)
    (wanted,) = torch.autograd.grad(expected, wide)
    labels = upsample_argmax(logits, target.shape[1:], stride=stride)
    reached = full.gather(1, labels.long().unsqueeze(1)).squeeze(1)
    facts = {
        "loss": float((loss.detach() - expected.detach()).abs() / expected.detach()),
        "gradient": float((gradient - wanted).norm() / wanted.norm()),
        "labels_below_maximum": float((full.detach().amax(dim=1) - reached.detach()).max()),
    }
    limit = 1e-5 if logits.dtype == torch.float32 else 1e-2  # a gradient is rounded to its logits' type
    if facts["loss"] > 1e-5 or facts["gradient"] > limit or facts["labels_below_maximum"] > 1e-4:
        raise SystemExit(f"The kernels are wrong at {tuple(logits.shape)}, stride {stride}: {facts}.")
    return facts


def milliseconds(call: Call) -> float:
    """Time one call on the device."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    start.record()
    call()
    end.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(end))


def extra_bytes(call: Call) -> int:
    """Return the peak of one call above what was there, its results included."""
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    call()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def in_turn(calls: dict[str, Call]) -> dict[str, dict[str, float]]:
    """Measure all calls in turn; return median time and peak memory of each."""
    for call in calls.values():
        for _ in range(3):
            call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(TURNS):
        for name, call in calls.items():
            times[name].append(milliseconds(call))
    return {
        name: {"ms": statistics.median(times[name]), "extra_bytes": extra_bytes(call)}
        for name, call in calls.items()
    }


def copy_bytes_per_s() -> float:
    """Measure the roof: bytes read and written per second by a copy of 1 GiB."""
    source = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    times = [milliseconds(lambda: target.copy_(source)) for _ in range(TURNS)]
    return 2 * source.numel() / (statistics.median(times) / 1000)


def measure(
    batch: int, num_classes: int, stride: int, size: tuple[int, int], dtype: torch.dtype, copy: float
) -> dict[str, Any]:
    """Return all figures of one case."""
    torch.compiler.reset()
    logits, target = example(batch, num_classes, stride, size, dtype, noise=0.5)
    noisy = example(batch, num_classes, stride, size, dtype, noise=8.0)[0].detach()
    plain = logits.detach()
    compiled_loss, compiled_labels = torch.compile(eager_loss), torch.compile(eager_labels)
    losses = {
        "ours": with_gradient(lambda: upsample_cross_entropy(logits, target, stride=stride), logits),
        "eager": with_gradient(lambda: eager_loss(logits, target, stride), logits),
        "compiled": with_gradient(lambda: compiled_loss(logits, target, stride), logits),
    }
    labels = {
        "ours": lambda: upsample_argmax(plain, size, stride=stride),
        "ours on noise": lambda: upsample_argmax(noisy, size, stride=stride),
        "eager": lambda: eager_labels(plain, size, stride),
        "compiled": lambda: compiled_labels(plain, size, stride),
    }
    pixels = batch * size[0] * size[1]
    must_move_ms = 1000 * (plain.numel() * plain.element_size() + pixels) / copy
    facts: dict[str, Any] = {
        "batch": batch, "classes": num_classes, "stride": stride, "size": size,
        "errors": check(logits, target, stride),
        "full_float32_bytes": 4 * num_classes * pixels,
        "gradient_bytes": plain.numel() * plain.element_size(),
        "loss": in_turn(losses),
        "argmax": in_turn(labels),
    }  # fmt: skip
    for kind in ("loss", "argmax"):
        ours = facts[kind]["ours"]
        ours["times_eager"] = facts[kind]["eager"]["ms"] / ours["ms"]
        ours["times_compiled"] = facts[kind]["compiled"]["ms"] / ours["ms"]
        ours["share_of_full_float32"] = ours["extra_bytes"] / facts["full_float32_bytes"]
    facts["argmax"]["ours"]["share_of_copy_speed"] = must_move_ms / facts["argmax"]["ours"]["ms"]
    return facts


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], default="float32")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/kernels_gpu.json"))
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit(
            "This benchmark measures a CUDA device and found none; run it on a machine with one."
        )
    from benchmarks import machine

    copy = copy_bytes_per_s()
    result: dict[str, Any] = {
        "machine": machine.facts() | {"device": torch.cuda.get_device_name()},
        "dtype": arguments.dtype,
        "turns": TURNS,
        "copy_bytes_per_s": copy,
        "cases": [],
    }
    for num_classes, stride, size in CASES:
        for batch in BATCHES:
            dtype = getattr(torch, arguments.dtype)
            facts = measure(batch, num_classes, stride, size, dtype, copy)
            result["cases"].append(facts)
            for kind in ("loss", "argmax"):
                print(f"B={batch} K={num_classes} stride {stride} {kind}: {facts[kind]}")
            arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
