"""The kernels as custom operators: autograd, compilers, export and DDP take them as one piece."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn

from terrazzo.core.prediction import logits_size
from terrazzo.kernels import upsample_argmax, upsample_cross_entropy, upsample_region_sums

OPS = torch.ops.terrazzo


def opcheck(*arguments: Any) -> None:
    """Torch's own check of a custom operator, which looks at the .grad of tensors that have none."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The .grad attribute of a Tensor that is not a leaf")
        torch.library.opcheck(*arguments)


def example(stride: int = 4, *, dtype: torch.dtype = torch.float32, batch: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    size = (9, 14)
    logits = torch.randn(batch, 5, *logits_size(size, stride), generator=generator).to(dtype)
    target = torch.randint(5, (batch, *size), generator=generator, dtype=torch.uint8)
    target[:, :2] = 255
    return logits.requires_grad_(), target


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
@pytest.mark.parametrize("keep", [[], [0.7, 3.0]], ids=str)
@pytest.mark.parametrize("wants_gradient", [True, False])
def test_cross_entropy_operator__keeps_the_rules(
    dtype: torch.dtype, keep: list[float], wants_gradient: bool
) -> None:
    logits, target = example(dtype=dtype)
    logits.requires_grad_(wants_gradient)
    arguments = (logits, target, None, 4, False, 255, 0.0, 2.0, keep, wants_gradient)
    opcheck(OPS.upsample_cross_entropy.default, arguments)


@pytest.mark.parametrize("probability", ["", "uint8", "float16"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_argmax_operator__keeps_the_rules(probability: str, dtype: torch.dtype) -> None:
    logits = example(dtype=dtype)[0].detach()
    opcheck(OPS.upsample_argmax.default, (logits, [9, 14], 4, True, probability))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("sigmoid", [True, False])
def test_region_operator__keeps_the_rules(dtype: torch.dtype, sigmoid: bool) -> None:
    logits, target = example(dtype=dtype)
    opcheck(OPS.upsample_region_sums.default, (logits, target, 4, False, 255, sigmoid, 2))


def loss_of(logits: Tensor, target: Tensor) -> Tensor:
    """A loss of both kinds, from logits that are not a leaf."""
    logits = logits * 1.5
    sums = upsample_region_sums(logits, target, stride=4)
    return upsample_cross_entropy(logits, target, stride=4) - sums[0].sum() / sums[1:].sum()


def test_operators__compile_without_a_break() -> None:
    logits, target = example()
    expected = loss_of(logits, target)
    compiled = torch.compile(loss_of, fullgraph=True, backend="aot_eager")(logits, target)
    torch.testing.assert_close(compiled, expected)
    torch.testing.assert_close(
        torch.autograd.grad(compiled, logits)[0], torch.autograd.grad(expected, logits)[0]
    )


def test_argmax_operator__compiles_without_a_break() -> None:
    logits = example()[0]

    def label(logits: Tensor) -> tuple[Tensor, Tensor]:
        return upsample_argmax(logits + 1, (9, 14), stride=4, probability="uint8")

    compiled = torch.compile(label, fullgraph=True, backend="aot_eager")(logits)
    for got, expected in zip(compiled, label(logits), strict=True):
        assert torch.equal(got, expected)


@pytest.mark.parametrize("numba", [True, False])
def test_operators__run_under_autocast(monkeypatch: pytest.MonkeyPatch, numba: bool) -> None:
    if not numba:
        monkeypatch.setattr("terrazzo.kernels.dispatch.compiled_room", lambda name: None)
    logits, target = example()
    options: dict[str, Any] = {"stride": 4, "label_smoothing": 0.1, "weight": [1.0, 2.0, 3.0, 4.0, 5.0]}
    network = nn.Conv2d(5, 5, 1)
    with torch.autocast("cpu", torch.bfloat16):
        narrow = network(logits)
        loss = upsample_cross_entropy(narrow, target, **options)
        sums = upsample_region_sums(narrow, target, stride=4)
    assert narrow.dtype == torch.bfloat16
    assert loss.dtype == sums.dtype == torch.float32
    assert torch.equal(loss, upsample_cross_entropy(narrow.float(), target, **options))
    (loss + sums.mean()).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert network.weight.grad is not None


class Labels(nn.Module):
    """The smallest network that ends in labels."""

    def __init__(self) -> None:
        super().__init__()
        self.classify = nn.Conv2d(3, 6, 3, stride=4, padding=1)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        size = image_BCHW.shape[-2:]
        return upsample_argmax(self.classify(image_BCHW), size, stride=4)


def test_argmax_operator__is_exported_for_any_size() -> None:
    network = Labels().eval()
    dims = {0: torch.export.Dim("batch")}
    dims |= {2: torch.export.Dim("height", min=5), 3: torch.export.Dim("width", min=5)}
    exported = torch.export.export(network, (torch.randn(2, 3, 33, 46),), dynamic_shapes=(dims,))
    assert any("upsample_argmax" in str(node.target) for node in exported.graph.nodes)
    for shape in [(1, 3, 20, 31), (3, 3, 64, 9)]:
        image = torch.randn(*shape)
        assert torch.equal(exported.module()(image), network(image))


@pytest.mark.parametrize("kernel", [upsample_cross_entropy, upsample_region_sums])
def test_operators__have_no_second_derivative(kernel: Any) -> None:
    logits, target = example()
    value = kernel(logits, target, stride=4).square().sum()
    (gradient,) = torch.autograd.grad(value, logits, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()  # type: ignore[no-untyped-call]


def test_operators__leave_gradients_to_be_added_up() -> None:
    logits, target = example()
    loss = upsample_cross_entropy(logits, target, stride=4)
    once = torch.autograd.grad(loss, logits, retain_graph=True)[0]
    assert torch.equal(torch.autograd.grad(2 * loss, logits)[0], 2 * once)


def run_process(rank: int, folder: str) -> None:
    """One of two processes: half of the batch, the gradient averaged over both."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    store = f"file://{folder}/store"
    torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    network = Head()
    wrapped = nn.parallel.DistributedDataParallel(network)
    logits, target = halves()
    part = slice(2 * rank, 2 * rank + 2)
    upsample_cross_entropy(wrapped(logits[part]), target[part], stride=4).backward()  # type: ignore[no-untyped-call]
    torch.save([value.grad for value in network.parameters()], f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


class Head(nn.Conv2d):
    """A layer that is the same in every process."""

    def __init__(self) -> None:
        torch.manual_seed(1)
        super().__init__(5, 5, 1)


def halves() -> tuple[Tensor, Tensor]:
    """Two halves of a batch, with as many valid pixels each: so the mean of means is the mean."""
    logits, target = example(batch=4)
    return logits.detach(), target


def test_operators__agree_over_two_processes(tmp_path: Path) -> None:
    spawn(run_process, args=(str(tmp_path),), nprocs=2)  # type: ignore[no-untyped-call]
    network = Head()
    logits, target = halves()
    upsample_cross_entropy(network(logits), target, stride=4).backward()  # type: ignore[no-untyped-call]
    for rank in range(2):
        for got, value in zip(torch.load(tmp_path / f"{rank}.pt"), network.parameters(), strict=True):
            torch.testing.assert_close(got, value.grad)
