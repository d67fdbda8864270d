"""The Mix Transformers: sizes, options, and local weights under the official names."""

from pathlib import Path
from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
from safetensors.torch import save_file
from torch import nn

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from terrazzo.models.encoder import build_encoder
from terrazzo.models.mit import MIT
from tests.models.foreign.drawn import drawn_state


def body(name: str, **options: Any) -> Any:
    return build_encoder(name, in_channels=3, options=options).body


@pytest.mark.parametrize("name", MIT)
def test_mit__has_the_numbers_of_the_one_in_smp(name: str) -> None:
    settings = smp.encoders.mix_transformer.mix_transformer_encoders[name]["params"]
    shared = [key for key in MIT[name] if key in settings]
    assert len(shared) == len(MIT[name])
    assert {key: MIT[name][key] for key in shared if key != "drop_path_rate"} == {
        key: tuple(settings[key]) for key in shared if key != "drop_path_rate"
    }
    assert MIT[name]["drop_path_rate"] == settings["drop_path_rate"]


def test_mit__gives_four_levels() -> None:
    encoder = build_encoder("mit_b0", in_channels=2).eval()
    assert (encoder.channels, encoder.strides) == ((32, 64, 160, 256), (4, 8, 16, 32))
    with torch.no_grad():
        shapes = [tuple(level.shape) for level in encoder(torch.zeros(1, 2, 64, 96))]
    assert shapes == [(1, 32, 16, 24), (1, 64, 8, 12), (1, 160, 4, 6), (1, 256, 2, 3)]


def test_mit__drops_paths_at_a_rising_rate() -> None:
    rates = [
        getattr(block.drop_path1, "drop_prob", 0.0)
        for i in range(4)
        for block in body("mit_b0")[f"stages_{i}"].blocks
    ]
    assert rates == pytest.approx([0.1 * i / 7 for i in range(8)])


def test_mit__options_of_the_user_win() -> None:
    encoder = body("mit_b0", embed_dims=[8, 16, 20, 16], depths=[1, 1, 1, 1], drop_path_rate=0.0)
    assert encoder.feature_info.channels() == [8, 16, 20, 16]
    assert not any(getattr(module, "drop_prob", 0.0) for module in encoder.modules())


def test_mit__norms_have_the_official_epsilon_or_another() -> None:
    def epsilons(encoder: Any) -> tuple[float, ...]:
        stage = encoder["stages_0"]
        return stage.norm.eps, stage.blocks[0].norm1.eps, stage.blocks[0].attn.norm.eps

    assert epsilons(body("mit_b0")) == (1e-6, 1e-6, 1e-5)
    assert epsilons(body("mit_b0", norm_eps=1e-3)) == (1e-3, 1e-3, 1e-5)


def test_mit__other_architectures_stand_on_it_and_are_rebuilt() -> None:
    small = {"embed_dims": [8, 16, 20, 16], "depths": [1, 1, 1, 1]}
    model = build_model("fpn", num_classes=2, encoder="mit_b0", encoder_options={**small, "norm_eps": 1e-5})
    assert (model.stride, model.arguments["encoder"]) == (4, "mit_b0")
    rebuilt = build_model(model.architecture, **model.arguments)
    assert {n: p.shape for n, p in rebuilt.named_parameters()} == {
        n: p.shape for n, p in model.named_parameters()
    }


def test_mit__a_local_file_with_the_official_names_is_read(tmp_path: Path) -> None:
    peer: nn.Module = smp.encoders.get_encoder("mit_b0", weights=None).eval()
    state = drawn_state({name: tensor.shape for name, tensor in peer.state_dict().items()})
    nn.Module.load_state_dict(peer, state)
    head = {"head.weight": torch.zeros(1000, 256), "head.bias": torch.zeros(1000)}
    save_file({**state, **head}, tmp_path / "mit_b0.safetensors")
    encoder = build_encoder("mit_b0", in_channels=3, pretrained=str(tmp_path / "mit_b0.safetensors")).eval()
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        for ours, theirs in zip(encoder(image), peer(image)[2:], strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    assert encoder.mean == pytest.approx((123.675, 116.28, 103.53))


def test_mit__has_no_weights_to_download() -> None:
    with pytest.raises(
        RequestError, match=r"timm has no pretrained weights for 'mit_b2'.*choose 'pvt_v2_b2'"
    ):
        build_encoder("mit_b2", in_channels=3, pretrained=True)


def test_mit__is_suggested_for_a_name_like_it() -> None:
    with pytest.raises(RequestError, match=r"Unknown encoder 'mit_b7': did you mean 'mit_b\d'\?"):
        build_encoder("mit_b7", in_channels=3)
