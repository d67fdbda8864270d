"""The network that predicts: the same logits as the one it was made of, or that one itself."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from terrazzo.models import build_model
from terrazzo.models.base import SegmentationModel
from terrazzo.predict import TorchBackend, infer
from terrazzo.predict.backends.depthwise import ShiftedDepthwise, is_wide
from terrazzo.predict.backends.fast import TOLERANCE, fast_network, twin
from terrazzo.predict.backends.fold import fold, foldable

SMALL: dict[str, Any] = {"channels": [8, 16, 24, 32]}
SMALL_MIT: dict[str, Any] = {"embed_dims": [8, 16, 20, 16], "depths": [1, 1, 1, 1]}


def drawn(model: SegmentationModel) -> SegmentationModel:
    """Give norms statistics as training leaves them: not 0 and 1."""
    generator = torch.Generator().manual_seed(5)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            for tensor in (module.running_var, module.weight):
                assert tensor is not None
                tensor.data.copy_(0.5 + torch.rand(tensor.shape, generator=generator))
            for tensor in (module.running_mean, module.bias):
                assert tensor is not None
                tensor.data.copy_(torch.randn(tensor.shape, generator=generator) / 4)
    return model.eval()


def built(name: str, encoder: str | None = "resnet10t", **options: Any) -> SegmentationModel:
    torch.manual_seed(1)
    given: dict[str, Any] = {"encoder": encoder} if encoder else {}
    if encoder == "resnet10t":
        given["encoder_options"] = SMALL
    if encoder == "mit_b0":
        given["encoder_options"] = SMALL_MIT
    return drawn(build_model(name, num_classes=5, **given, **options))


def image(height: int = 96, width: int = 130) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randint(256, (1, 3, height, width), generator=generator, dtype=torch.uint8)


def norms(model: nn.Module) -> int:
    return sum(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())


def difference(fast: nn.Module, plain: nn.Module) -> float:
    with torch.no_grad():
        given, expected = fast(image()).logits, plain(image()).logits
    return float((given - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize(
    ("name", "encoder", "left"),
    [
        ("unet-timm", "resnet10t", 0),
        ("fpn", "resnet10t", 0),
        ("deeplabv3plus", "resnet10t", 0),
        ("unetplusplus", "resnet10t", 0),
        ("unet-timm", "efficientnet_lite0", 0),  # norms of timm that end in an activation
        ("segformer", "mit_b0", 1),  # the fused one stays where it was, unused
        ("unet", None, 7),  # norms after activations cannot be folded
    ],
)
def test_fast_network__same_logits_without_norms(name: str, encoder: str | None, left: int) -> None:
    model = built(name, encoder, **({"num_blocks": 1} if name == "unet" else {}))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    fast = fast_network(model)
    assert fast is not model
    assert difference(fast, model) < TOLERANCE
    assert norms(fast) == left
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_fast_network__leaves_modes_and_random_numbers_alone() -> None:
    model = built("segformer", "mit_b0").train()
    state = torch.get_rng_state()
    fast = fast_network(model)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(module.training for module in model.modules())
    assert not any(module.training for module in fast.modules())


def test_fast_network__segformer_at_any_size_and_with_finer_levels() -> None:
    for options in ({"encoder": "mit_b0"}, {"encoder": "resnet10t", "finer_levels": True}):
        model: Any = built("segformer", **options)
        assert difference(fast_network(model), model) < TOLERANCE
        assert model.early_fusion is None


class Two(SegmentationModel):
    """Two convolutions and a norm, joined in different ways."""

    def __init__(self, join: str) -> None:
        super().__init__(num_classes=8, in_channels=3, stride=1, multiple=1)
        torch.manual_seed(0)
        self.join = join
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.other = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)

    def logits(self, image_BCHW: Tensor) -> Tensor:
        """Return (B, 8, H, W)."""
        made: Tensor = self.conv(image_BCHW)
        joined: Tensor
        match self.join:
            case "in a row":
                joined = self.relu(self.norm(made))
            case "read twice":
                joined = self.norm(made) + made
            case "changed in between":
                joined = self.norm(self.relu(made))
            case "norm used twice":
                joined = self.norm(made) + self.norm(self.other(image_BCHW))
            case "conv used twice":
                joined = self.norm(made) + self.conv(image_BCHW.flip(-1))
            case "other weights":
                joined = self.norm(F.conv2d(image_BCHW, self.conv.weight * 2, padding=1))
            case "a view of it":
                joined = self.norm(made.flip(1))
            case _:
                raise AssertionError(self.join)
        return joined


@pytest.mark.parametrize(
    ("join", "count"),
    [
        ("in a row", 1),
        ("read twice", 0),
        ("changed in between", 0),
        ("norm used twice", 0),
        ("conv used twice", 0),
        ("other weights", 0),
        ("a view of it", 0),
    ],
)
def test_foldable__only_what_a_norm_alone_reads(join: str, count: int) -> None:
    model = drawn(Two(join))
    assert len(list(foldable(model, image().float()))) == count
    fast = twin(model)
    assert fold(fast, image().float()) == count
    assert difference(fast, model) < TOLERANCE


@pytest.mark.parametrize("where", ["conv", "norm"])
def test_foldable__a_hook_keeps_its_module(where: str) -> None:
    model = drawn(Two("in a row"))
    model.get_submodule(where).register_forward_hook(lambda *_: None)
    assert not list(foldable(model, image().float()))


def test_foldable__other_kinds_of_norm_stay() -> None:
    class Other(nn.BatchNorm2d):
        def forward(self, features: Tensor) -> Tensor:
            return super().forward(features) * 2

    model = Two("in a row")
    model.norm = Other(8)
    assert not list(foldable(drawn(model), image().float()))


def test_fast_network__is_the_network_itself_where_they_do_not_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    model = built("unet-timm")
    monkeypatch.setattr("terrazzo.predict.backends.fold._without_norm", lambda norm: nn.ReLU())
    assert fast_network(model) is model


def test_fast_network__a_network_of_nan_is_left_alone() -> None:
    model = built("unet-timm")
    next(model.parameters()).data.fill_(float("nan"))
    assert fast_network(model) is model


def test_backend__notices_loaded_weights_and_hooks() -> None:
    model = built("unet-timm")
    backend = TorchBackend(model)
    first = backend.run(image()).logits
    assert torch.equal(TorchBackend(model).run(image()).logits, first)
    assert backend.network is backend.network is not model
    model.load_state_dict({name: value * 1.1 for name, value in model.state_dict().items()})
    calls = []
    model.register_forward_hook(lambda *_: calls.append(1))
    assert not torch.allclose(backend.run(image()).logits, first)
    assert len(calls) >= 1
    assert difference(backend.network, model) < TOLERANCE


def test_infer__is_of_the_weights_as_they_are() -> None:
    """Optimisers that fuse their steps change weights without a trace."""
    model = built("unet-timm")
    pixels = image()[0].permute(1, 2, 0).numpy()
    before = infer(model, pixels).logits
    model.get_submodule("classify").get_parameter("weight").data.mul_(2)
    assert not torch.equal(infer(model, pixels).logits, before)


def test_backend__the_same_weights_give_the_same_bits() -> None:
    """What training has just scored, and what is loaded from disk later."""
    model = built("fpn").train()
    other = copy.deepcopy(model).eval().to(memory_format=torch.channels_last)
    assert torch.equal(TorchBackend(model).run(image()).logits, TorchBackend(other).run(image()).logits)


def test_backend__made_inside_of_inference_mode_and_autocast() -> None:
    model = built("unet-timm")
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        network = TorchBackend(model).network
    assert network is not model
    assert norms(network) == 0


@pytest.mark.parametrize("dilation", [8, 12, 24, 40])
@pytest.mark.parametrize("bias", [False, True])
def test_shifted_depthwise__equals_the_convolution(dilation: int, bias: bool) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(6, 6, 3, padding=dilation, dilation=dilation, groups=6, bias=bias)
    assert is_wide(conv)
    features = torch.randn(2, 6, 32, 27).to(memory_format=torch.channels_last)
    with torch.no_grad():
        torch.testing.assert_close(ShiftedDepthwise(conv)(features), conv(features))


@pytest.mark.parametrize(
    "options",
    [
        {"dilation": 4, "padding": 4},
        {"groups": 2},
        {"stride": 2},
        {"padding": 11},
        {"padding_mode": "reflect"},
        {"kernel_size": 5},
        {"out_channels": 12},
    ],
)
def test_is_wide__wants_all_of_it(options: dict[str, Any]) -> None:
    plain = {"kernel_size": 3, "out_channels": 6, "padding": 12, "dilation": 12, "groups": 6}
    assert is_wide(nn.Conv2d(6, **plain))  # type: ignore[arg-type]
    assert not is_wide(nn.Conv2d(6, **{**plain, **options}))
