"""The Triton kernels, against plain PyTorch in float64.

On a machine with CUDA the tests run there. On any machine `test_kernels__in_the_interpreter` runs the same
ones in Triton's interpreter, on CPU tensors, in a process of its own: the interpreter must be switched on
before Triton is imported. It shows that the kernels compute what they should, not that they are fast.
"""

import math
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from terrazzo.core.prediction import logits_size
from terrazzo.kernels import count_confusion, upsample_argmax, upsample_cross_entropy, upsample_region_sums
from terrazzo.kernels.dispatch import PLAIN, Room
from terrazzo.kernels.gpu import triton_room
from terrazzo.kernels.gpu.confusion import count_cells

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
CUDA = torch.cuda.is_available()
DEVICE = "cuda" if CUDA and not INTERPRETED else "cpu"
needs_triton = pytest.mark.skipif(not (CUDA or INTERPRETED), reason="no CUDA device; the interpreter runs it")
needs_cuda = pytest.mark.skipif(DEVICE != "cuda", reason="no CUDA device")

# height, width, stride: several programs in each direction, sides that no tile divides
SIZES = [(9, 14, 4), (17, 36, 8), (5, 35, 2), (1, 1, 4), (33, 35, 32), (7, 13, 3), (17, 20, 16), (5, 40, 1)]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return what sends all calls to "triton" or to "plain"."""

    def send(kind: str) -> None:
        for kernel in ("cross_entropy", "argmax", "region"):
            room = Room("triton", triton_room(kernel)) if kind == "triton" else PLAIN
            monkeypatch.setattr(f"terrazzo.kernels.{kernel}.room_of", lambda *_, room=room: room)

    return send


def example(
    height: int,
    width: int,
    stride: int,
    *,
    classes: int = 5,
    dtype: torch.dtype = torch.float32,
    void: float = 0.3,
    scale: float = 3.0,
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(height + width)
    shape = (2, classes, *logits_size((height, width), stride))
    logits = (torch.randn(shape, generator=generator) * scale).to(dtype)
    target = torch.randint(classes, (2, height, width), generator=generator)
    target[torch.rand(target.shape, generator=generator) < void] = -1
    return logits.to(DEVICE).requires_grad_(), target.to(torch.int16).to(DEVICE)


def agree(
    ask: Callable[[str], None], kernel: Callable[..., Tensor], logits: Tensor, target: Tensor, **options: Any
) -> None:
    """Compare value and gradient with plain PyTorch's in float64."""
    ask("triton")
    value = kernel(logits, target, ignore_index=-1, **options)
    upstream = torch.randn(value.shape, generator=torch.Generator().manual_seed(0)).to(DEVICE)
    (gradient,) = torch.autograd.grad((value * upstream).sum(), logits)
    ask("plain")
    wide = logits.detach().double().requires_grad_()
    expected = kernel(wide, target, ignore_index=-1, **options)
    (wanted,) = torch.autograd.grad((expected * upstream).sum(), wide)
    torch.testing.assert_close(value.double(), expected, atol=1e-5, rtol=1e-5)
    rtol = {torch.float32: 1e-4, torch.float16: 1e-3, torch.bfloat16: 1e-2}[logits.dtype]
    atol = 1e-5 * float(wanted.abs().max()) + (1e-7 if logits.dtype == torch.float16 else 0)
    torch.testing.assert_close(gradient.double(), wanted, atol=atol, rtol=rtol)
    assert gradient.dtype == logits.dtype


@needs_triton
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("align_corners", [False, True])
def test_cross_entropy__agrees_at_every_stride(
    ask: Callable[[str], None], size: tuple[int, int, int], align_corners: bool
) -> None:
    logits, target = example(*size, void=0.0 if size[0] == 1 else 0.3)
    agree(ask, upsample_cross_entropy, logits, target, stride=size[2], align_corners=align_corners)


@needs_triton
@pytest.mark.parametrize("stride", [1, 4])
@pytest.mark.parametrize(
    "options",
    [
        {"label_smoothing": 0.1},
        {"focal_gamma": 2.0},
        {"focal_gamma": 0.5},
        {"keep_hardest": 0.3},
        {"keep_hardest": (0.2, 5), "label_smoothing": 0.2},
    ],
    ids=str,
)
def test_cross_entropy__agrees_with_every_option(
    ask: Callable[[str], None], stride: int, options: dict[str, Any]
) -> None:
    logits, target = example(9, 14, stride)
    weight = [0.5, 2.0, 1.0, 3.0, 0.0]
    agree(ask, upsample_cross_entropy, logits, target, stride=stride, weight=weight, **options)


@needs_triton
@pytest.mark.parametrize("classes", [1, 2, 8, 19, 70])
@pytest.mark.parametrize("stride", [1, 8])
def test_cross_entropy__agrees_for_any_number_of_classes(
    ask: Callable[[str], None], classes: int, stride: int
) -> None:
    logits, target = example(9, 12, stride, classes=classes)
    agree(ask, upsample_cross_entropy, logits, target, stride=stride)


@needs_triton
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("stride", [1, 4])
def test_kernels__compute_in_float32(ask: Callable[[str], None], dtype: torch.dtype, stride: int) -> None:
    logits, target = example(9, 14, stride, dtype=dtype)
    agree(ask, upsample_cross_entropy, logits, target, stride=stride)
    agree(ask, upsample_region_sums, logits, target, stride=stride)


@needs_triton
@pytest.mark.parametrize("size", [(9, 14, 4), (21, 50, 8), (11, 40, 3), (9, 40, 1)], ids=str)
@pytest.mark.parametrize("power", [1, 2])
def test_region_sums__agree(ask: Callable[[str], None], size: tuple[int, int, int], power: int) -> None:
    logits, target = example(*size)
    options = {"power": power, "per_image": True, "align_corners": size[2] == 4}
    agree(ask, upsample_region_sums, logits, target, stride=size[2], **options)


@needs_triton
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("align_corners", [False, True])
def test_argmax__agrees(ask: Callable[[str], None], size: tuple[int, int, int], align_corners: bool) -> None:
    logits = example(*size, classes=4)[0].detach()
    logits[:, 1:, :, logits.shape[-1] // 2 :] -= 30  # one winner in half of the image
    options: dict[str, Any] = {"stride": size[2], "align_corners": align_corners}
    ask("triton")
    labels = upsample_argmax(logits, size[:2], **options)
    ask("plain")
    assert torch.equal(labels, upsample_argmax(logits.double(), size[:2], **options))


@needs_triton
@pytest.mark.parametrize("size", [(9, 14, 4), (5, 40, 1)], ids=str)
@pytest.mark.parametrize("probability", ["uint8", "float16"])
def test_argmax__gives_the_probability_of_the_winner(
    ask: Callable[[str], None], size: tuple[int, int, int], probability: Any
) -> None:
    logits = example(*size)[0].detach()
    ask("triton")
    labels, chance = upsample_argmax(logits, size[:2], stride=size[2], probability=probability)
    ask("plain")
    expected, p = upsample_argmax(logits.double(), size[:2], stride=size[2], probability=probability)
    assert torch.equal(labels, expected)
    assert chance.dtype == p.dtype
    torch.testing.assert_close(chance.float(), p.float(), atol=1 if probability == "uint8" else 1e-3, rtol=0)


@needs_triton
@pytest.mark.parametrize("stride", [1, 4])
def test_argmax__gives_the_lowest_of_equal_classes(ask: Callable[[str], None], stride: int) -> None:
    ask("triton")
    logits = torch.zeros(1, 300, 2, 2, device=DEVICE)
    logits[:, 260:] = 1
    labels = upsample_argmax(logits, (2 * stride, 2 * stride), stride=stride)
    assert labels.dtype == torch.int16
    assert set(labels.flatten().tolist()) == {260}


@needs_triton
@pytest.mark.parametrize("stride", [1, 3, 4])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_kernels__look_at_nothing_under_void(ask: Callable[[str], None], stride: int, value: float) -> None:
    logits, target = example(7 * stride, 4 * stride, stride)
    # The last valid row ends just before row 4 of logits is seen; at odd strides it lies right on row 3.
    target[:, 3 * stride + (stride - 1) // 2 + 1 :] = -1
    other = logits.detach().clone()
    other[:, :, 4:] = value
    other.requires_grad_()
    ask("triton")
    for kernel in (upsample_cross_entropy, upsample_region_sums):
        results = [kernel(given, target, stride=stride, ignore_index=-1) for given in (logits, other)]
        assert torch.equal(*results)
        assert torch.equal(
            *(
                torch.autograd.grad(result.sum(), x)[0]
                for result, x in zip(results, (logits, other), strict=True)
            )
        )


@needs_triton
@pytest.mark.parametrize("options", [{}, {"keep_hardest": 0.5}, {"focal_gamma": 2.0}], ids=str)
def test_cross_entropy__of_nothing_but_void_is_zero(
    ask: Callable[[str], None], options: dict[str, Any]
) -> None:
    ask("triton")
    logits, target = example(9, 14, 4, void=1.0)
    loss = upsample_cross_entropy(logits, target, stride=4, ignore_index=-1, **options)
    assert loss.item() == 0
    assert torch.autograd.grad(loss, logits)[0].count_nonzero() == 0


@needs_triton
def test_kernels__show_a_label_that_is_no_class_as_nan(ask: Callable[[str], None]) -> None:
    ask("triton")
    logits, target = example(9, 14, 4)
    target[1, 3, 5] = 77
    assert upsample_cross_entropy(logits, target, stride=4, ignore_index=-1).isnan()
    assert upsample_region_sums(logits, target, stride=4, ignore_index=-1).isnan().all()


@needs_triton
@pytest.mark.parametrize("stride", [1, 4])
def test_kernels__take_any_memory_layout_and_are_repeatable(ask: Callable[[str], None], stride: int) -> None:
    ask("triton")
    logits, target = example(8, 16, stride)
    other = logits.detach().to(memory_format=torch.channels_last).requires_grad_()
    losses = [
        upsample_cross_entropy(x, target, stride=stride, ignore_index=-1) for x in (logits, other, other)
    ]
    gradients = [
        torch.autograd.grad(loss, x)[0] for loss, x in zip(losses, (logits, other, other), strict=True)
    ]
    assert torch.equal(losses[0], losses[1])
    assert torch.equal(losses[1], losses[2])
    assert torch.equal(gradients[0], gradients[1])
    assert torch.equal(gradients[1], gradients[2])


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int64])
def test_count_cells__equals_the_count_of_arrays(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype) -> None:
    monkeypatch.setattr("terrazzo.kernels.gpu.confusion.STRIP", 100)
    generator = torch.Generator().manual_seed(0)
    target, prediction = torch.randint(7, (2, 3, 15, 17), generator=generator).to(dtype)
    target[:, 3:5] = 127
    prediction[:, 3] = 99  # under void: not looked at
    expected = count_confusion(prediction.numpy(), target.numpy(), 7, ignore_index=127)
    counts, wrong = count_cells(prediction.to(DEVICE), target.to(DEVICE), 7, 127)
    assert counts.cpu().tolist() == expected.tolist()
    assert counts.dtype == torch.int64
    assert not wrong
    assert count_cells(prediction.to(DEVICE), target.to(DEVICE), 6, 127)[1]


@needs_cuda
def test_count_confusion__of_tensors_on_the_device() -> None:
    target, prediction = torch.randint(7, (2, 3, 200, 170), dtype=torch.uint8, device=DEVICE)
    expected = count_confusion(prediction.cpu().numpy(), target.cpu().numpy(), 7, per_image=True)
    assert (count_confusion(prediction, target, 7, per_image=True) == expected).all()


@needs_cuda
def test_dispatch__sends_cuda_tensors_to_triton() -> None:
    from terrazzo.kernels.dispatch import room_of

    assert room_of("argmax", torch.zeros(1, 2, 3, 4, device=DEVICE), 4).kind == "triton"


@needs_cuda
@pytest.mark.parametrize(("classes", "stride"), [(19, 8), (150, 4), (11, 1)])
def test_cross_entropy__agrees_on_large_images(ask: Callable[[str], None], classes: int, stride: int) -> None:
    logits, target = example(256, 500, stride, classes=classes)
    agree(ask, upsample_cross_entropy, logits, target, stride=stride)


LOSS_FLAGS = {"SMOOTH": False, "FOCAL": False, "WRITE_HARDNESS": False, "VOID_HARDNESS_": -1.0}
COMPILED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "cross_entropy": ("cross_entropy", "_loss_kernel", LOSS_FLAGS | {"WRITE_GRADIENT": True}),
    "argmax": ("argmax", "_argmax_kernel", {"CHANCE": 1, "U": 4}),
    "region_sums": ("region", "_sums_kernel", {"POWER": 2}),
    "region_gradient": ("region", "_gradient_kernel", {"POWER": 1}),
}


@pytest.mark.skipif(INTERPRETED, reason="the interpreter compiles nothing")
@pytest.mark.parametrize("kernel", COMPILED)
@pytest.mark.parametrize("flat", [False, True])
def test_kernels__compile_for_a_device_that_is_not_here(kernel: str, flat: bool) -> None:
    """The interpreter is more patient than the compiler, for instance with variables that change type."""
    compiler = pytest.importorskip("triton.compiler", reason="Triton is not installed")
    backends = pytest.importorskip("triton.backends.compiler")
    room, name, flags = COMPILED[kernel]
    function = getattr(triton_room(room), name)
    sizes = {"K": 8, "Y": 1 if flat else 8, "X": 128 if flat else 32, "N": 128 if flat else 16}
    known = {"FLAT": flat, "EXACT": not flat} | flags | sizes
    constants = {key: value for key, value in known.items() if key in function.arg_names}
    pointers = {"logits": "*bf16", "target": "*u8", "winners": "*u8", "labels": "*u8", "chance": "*fp16"}
    pointers |= dict.fromkeys(
        ["weight", "sums", "gradient", "hardness", "parts", "same_parts", "upstream"], "*fp32"
    )
    pointers |= dict.fromkeys(["smoothing", "gamma", "bound"], "fp32") | dict.fromkeys(constants, "constexpr")
    source = compiler.ASTSource(
        fn=function,
        signature={key: pointers.get(key, "i32") for key in function.arg_names},
        constexprs={(function.arg_names.index(key),): value for key, value in constants.items()},
    )
    options = {"num_warps": sizes["X"] // 32, "maxnreg": 168, "enable_fp_fusion": True}
    compiled = compiler.compile(source, target=backends.GPUTarget("cuda", 90, 32), options=options)
    assert compiled.asm["cubin"]


@pytest.mark.skipif(INTERPRETED, reason="this is the interpreter")
def test_kernels__in_the_interpreter() -> None:
    if triton_room("argmax") is None:
        pytest.skip("Triton is not installed")
    environment = os.environ | {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            "-W",
            "ignore::RuntimeWarning",
            __file__,
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]


@pytest.mark.skipif(CUDA, reason="there is a CUDA device")
def test_benchmark__refuses_without_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import kernels_gpu

    monkeypatch.setattr(sys, "argv", ["kernels_gpu"])
    with pytest.raises(SystemExit, match="measures a CUDA device and found none"):
        kernels_gpu.main()
