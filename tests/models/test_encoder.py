"""timm networks as pyramids, and pretrained weights without a network."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model, weights
from terrazzo.models.encoder import build_encoder


@pytest.mark.parametrize(
    ("name", "strides"),
    [
        ("resnet10t", (2, 4, 8, 16, 32)),
        ("convnext_atto", (4, 8, 16, 32)),
        ("hrnet_w18_small", (2, 4, 8, 16, 32)),
    ],
)
def test_build_encoder__gives_levels_at_its_strides(name: str, strides: tuple[int, ...]) -> None:
    encoder = build_encoder(name, in_channels=2).eval()
    with torch.no_grad():
        levels = encoder(torch.zeros(1, 2, 64, 96))
    assert encoder.strides == strides
    expected = [(1, c, 64 // s, 96 // s) for c, s in zip(encoder.channels, strides, strict=True)]
    assert [tuple(level.shape) for level in levels] == expected


def test_build_encoder__leaves_the_network_in_training_mode() -> None:
    encoder = build_encoder("resnet10t", in_channels=3)
    assert all(module.training for module in encoder.modules())
    assert not encoder.body.bn1.running_mean.any()  # type: ignore[union-attr, operator]


def test_build_encoder__turns_channels_last_outputs_around_at_any_size() -> None:
    encoder = build_encoder(
        "swin_tiny_patch4_window7_224", in_channels=3, options={"embed_dim": 12, "depths": (1, 1, 1, 1)}
    )
    with torch.no_grad():
        shapes = [tuple(level.shape) for level in encoder(torch.zeros(1, 3, 64, 96))]
    assert shapes == [(1, 12, 16, 24), (1, 24, 8, 12), (1, 48, 4, 6), (1, 96, 2, 3)]


def test_build_encoder__passes_options_on_to_timm() -> None:
    encoder = build_encoder(
        "resnet10t", in_channels=3, options={"channels": [8, 16, 24, 32], "output_stride": 8}
    )
    assert encoder.channels == (64, 8, 16, 24, 32)
    assert encoder.strides == (2, 4, 8, 8, 8)


def test_build_encoder__draws_from_the_global_generator() -> None:
    torch.manual_seed(5)
    one = build_encoder("resnet10t", in_channels=3).state_dict()
    torch.manual_seed(5)
    same = build_encoder("resnet10t", in_channels=3).state_dict()
    assert all(torch.equal(one[key], same[key]) for key in one)


def test_build_encoder__suggests_the_closest_name() -> None:
    with pytest.raises(RequestError, match=r"Unknown encoder 'resnet188': did you mean 'resnet18'\?"):
        build_encoder("resnet188", in_channels=3)


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "deit_tiny_patch16_224"])
def test_build_encoder__refuses_networks_without_a_pyramid(name: str) -> None:
    with pytest.raises(
        RequestError, match=r"has no pyramid of feature maps \(strides 16, 16, 16\); plain trans"
    ):
        build_encoder(name, in_channels=3)


@pytest.mark.parametrize("name", ["coat_lite_tiny", "inception_v3"])
def test_build_encoder__refuses_networks_of_one_size_or_without_padding(name: str) -> None:
    with pytest.raises(
        RequestError, match="it takes certain image sizes only, or its convolutions do not pad"
    ):
        build_encoder(name, in_channels=3)


def test_build_encoder__says_which_option_timm_does_not_take() -> None:
    with pytest.raises(
        RequestError, match=r"timm cannot build the encoder 'resnet10t' with .*wings=2.*wings"
    ):
        build_encoder("resnet10t", in_channels=3, options={"wings": 2})


@pytest.fixture(scope="module")
def weight_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("weights") / "resnet10t.safetensors"
    save_file(timm.create_model("resnet10t").state_dict(), path)
    return path


def test_pretrained__reads_a_local_file_and_the_statistics_it_expects(weight_file: Path) -> None:
    model = build_model("fpn", num_classes=2, encoder="resnet10t", pretrained=str(weight_file))
    torch.manual_seed(1)
    expected = timm.create_model("resnet10t").state_dict()
    loaded = model.encoder.body.state_dict()  # type: ignore[union-attr]
    assert loaded
    assert all(torch.equal(loaded[key], expected[key]) for key in loaded)
    config = timm.get_pretrained_cfg("resnet10t")
    assert config is not None
    assert model.normalize.mean.flatten().tolist() == pytest.approx([255 * v for v in config.mean])
    assert model.arguments["mean"] == pytest.approx([255 * v for v in config.mean])
    rebuilt = build_model("fpn", **model.arguments)
    assert torch.equal(rebuilt.normalize.std, model.normalize.std)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_pretrained__fits_any_number_of_channels(weight_file: Path, channels: int) -> None:
    encoder = build_encoder("resnet10t", in_channels=channels, pretrained=str(weight_file))
    assert encoder.mean is not None
    assert len(encoder.mean) == channels
    assert encoder(torch.zeros(1, channels, 64, 64))[0].shape[1] == encoder.channels[0]


def test_pretrained__own_statistics_win(weight_file: Path) -> None:
    model = build_model(
        "unet-timm",
        num_classes=2,
        encoder="resnet10t",
        pretrained=str(weight_file),
        mean=[1, 2, 3],
        std=[4, 5, 6],
    )
    assert model.normalize.mean.flatten().tolist() == [1, 2, 3]
    assert model.arguments["mean"] == [1, 2, 3]


def test_pretrained__weights_of_another_network_are_refused(weight_file: Path) -> None:
    with pytest.raises(RequestError, match="that the weights belong to this very network"):
        build_encoder("resnet18", in_channels=3, pretrained=str(weight_file))


def test_pretrained__a_missing_or_pickled_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"gone.safetensors': no such file"):
        build_encoder("resnet10t", in_channels=3, pretrained=str(tmp_path / "gone.safetensors"))
    with pytest.raises(RequestError, match=r"is no .safetensors file: weights are never unpickled"):
        build_encoder("resnet10t", in_channels=3, pretrained="weights.pth")


def test_pretrained__without_a_network_ends_fast_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: Any, **__: Any) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", unreachable)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: None)
    with pytest.raises(RequestError, match=r"cannot be downloaded \(OSError: no route to host\)") as caught:
        build_encoder("resnet18", in_channels=3, pretrained=True)
    assert "pretrained = 'path/to/model.safetensors'" in str(caught.value)


def test_pretrained__takes_the_cached_file_without_asking_the_network(
    monkeypatch: pytest.MonkeyPatch, weight_file: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: str(weight_file))
    assert weights.cached_or_reachable("resnet10t") == weight_file
    assert build_encoder("resnet10t", in_channels=3, pretrained=True).mean is not None


@pytest.mark.parametrize("name", ["resnet10t.nonsense", "resnet20"])
def test_pretrained__a_network_without_weights_is_named(name: str) -> None:
    with pytest.raises(RequestError, match="timm has no pretrained weights for"):
        weights.cached_or_reachable(name)
