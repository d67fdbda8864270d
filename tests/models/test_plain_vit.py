"""Plain vision transformers: any size, prefix tokens of every kind, weights from a file, and refusals."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from terrazzo.models.plain_vit import PlainViT, build_plain_vit

TINY: dict[str, Any] = {"img_size": 64, "embed_dim": 16, "depth": 3, "num_heads": 2}

KINDS = {
    "class token": ("vit_tiny_patch16_224", 1),
    "registers, patches of 14, layer scale": ("vit_small_patch14_reg4_dinov2", 5),
    "patches of 14, layer scale": ("vit_base_patch14_dinov2", 1),
    "distilled": ("deit_tiny_distilled_patch16_224", 2),
    "class token without a place": ("deit3_small_patch16_224", 1),
    "norm before the blocks": ("vit_base_patch16_clip_224", 1),
    "no class token, pooling by attention": ("vit_base_patch16_siglip_224", 0),
    "norm after the pooling": ("vit_base_patch16_rpn_224", 0),
    "gated MLP": ("vit_giant_patch14_dinov2", 1),
}


def tiny(name: str = "vit_tiny_patch16_224", in_channels: int = 3, **options: Any) -> PlainViT:
    """Return a small one in eval mode, every parameter random."""
    torch.manual_seed(0)
    if "patch14" in name:
        options = {"img_size": 70, "mlp_ratio": 4, **options}
    encoder = build_plain_vit(name, in_channels=in_channels, options={**TINY, **options}).eval()
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.normal_(std=0.3)
    return encoder


def image_of(encoder: PlainViT, h: int, w: int) -> Tensor:
    return torch.randn(2, 3, h * encoder.patch, w * encoder.patch)


@pytest.mark.parametrize(("name", "prefix"), KINDS.values(), ids=list(KINDS))
def test_plain_vit__gives_the_tokens_of_timm_at_any_size(name: str, prefix: int) -> None:
    encoder = tiny(name)
    assert (encoder.width, encoder.depth, encoder.prefix_tokens) == (16, 3, prefix)
    side = encoder.body.patch_embed.grid_size[0]
    for h, w in ((side, side), (3, 7)):
        image = image_of(encoder, h, w)
        with torch.no_grad():
            first, last = encoder.after(image, [0, 2])
            _, (expected, final) = encoder.body.forward_intermediates(image, [0, 2])
        assert first.shape == (2, prefix + h * w, 16)
        torch.testing.assert_close(encoder.map(first, image), expected)
        torch.testing.assert_close(encoder.map(last, image), final)


@pytest.mark.parametrize(("name", "prefix"), KINDS.values(), ids=list(KINDS))
def test_plain_vit__trains_every_parameter(name: str, prefix: int) -> None:
    encoder = tiny(name).train()
    assert prefix == encoder.prefix_tokens
    image = image_of(encoder, 3, 4)
    last_BND = encoder.body.norm(encoder.after(image, [2])[0])
    torch.autograd.backward(encoder.map(last_BND, image).square().mean())
    assert [name for name, parameter in encoder.named_parameters() if parameter.grad is None] == []


def test_plain_vit__norm_after_the_pooling_becomes_the_last_norm() -> None:
    encoder = tiny("vit_base_patch16_rpn_224")
    assert isinstance(encoder.body.norm, nn.LayerNorm)
    assert isinstance(encoder.body.fc_norm, nn.Identity)


def test_plain_vit__map_puts_patches_row_by_row() -> None:
    encoder = tiny()
    tokens = torch.arange(7.0).view(1, 7, 1).expand(1, 7, 16)
    map_BDhw = encoder.map(tokens, torch.zeros(1, 3, 32, 48))
    assert torch.equal(map_BDhw[0, 5], torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))


def test_plain_vit__position_embeddings_stay_at_their_own_size() -> None:
    encoder = tiny()
    patches = encoder.body.pos_embed[:, 1:]
    assert torch.equal(encoder._positions(patches, 4, 4), patches)


def test_plain_vit__position_embeddings_keep_a_slope() -> None:
    """A plane over the patches stays that plane, away from the borders, whatever the size."""
    encoder = tiny(img_size=128, resampling="bilinear")
    grid = torch.arange(8.0).view(8, 1).expand(8, 8).reshape(1, 64, 1).expand(1, 64, 16)
    resized = encoder._positions(grid, 16, 4)[0, :, 0].view(16, 4)
    torch.testing.assert_close(resized[:, 0], ((torch.arange(16.0) + 0.5) / 2 - 0.5).clamp(0, 7))
    assert (resized == resized[:, :1]).all()


def test_plain_vit__exports_for_any_size_and_matches_at_its_own() -> None:
    encoder = tiny("vit_small_patch14_reg4_dinov2")

    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, image: Tensor) -> Tensor:
            return self.encoder.map(self.encoder.after(image, [2])[0], image)

    sides = {
        0: torch.export.Dim.DYNAMIC,
        2: 14 * torch.export.Dim("h", min=2, max=64),
        3: 14 * torch.export.Dim("w", min=2, max=64),
    }
    model = Last().eval()
    program = torch.export.export(model, (image_of(encoder, 3, 4),), dynamic_shapes=(sides,)).module()
    for h, w in ((3, 4), (5, 5), (7, 2)):
        image = image_of(encoder, h, w)
        with torch.no_grad():
            torch.testing.assert_close(program(image), model(image), atol=1e-4, rtol=1e-4)


def test_plain_vit__works_in_bfloat16() -> None:
    encoder = tiny().to(torch.bfloat16)
    image = image_of(encoder, 3, 5)
    with torch.no_grad():
        narrow = encoder.after(image.to(torch.bfloat16), [2])[0]
        wide = encoder.float().after(image, [2])[0]
    assert narrow.dtype == torch.bfloat16
    torch.testing.assert_close(narrow.float(), wide, atol=0.05 * float(wide.abs().max()), rtol=0)


def test_plain_vit__builds_and_runs_on_the_meta_device() -> None:
    with torch.device("meta"):
        encoder = build_plain_vit("vit_large_patch16_384", in_channels=3)
        map_BDhw = encoder.map(encoder.after(image := torch.zeros(1, 3, 48, 64), [23])[0], image)
    assert map_BDhw.shape == (1, 1024, 3, 4)
    assert map_BDhw.is_meta


def test_plain_vit__takes_any_number_of_channels() -> None:
    for channels in (1, 5):
        assert tiny(in_channels=channels).after(torch.zeros(1, channels, 32, 32), [0])[0].shape == (1, 5, 16)


def test_plain_vit__blocks_at_shares_of_the_depth() -> None:
    encoder = tiny(depth=12)
    assert encoder.blocks_at((6, 12, 18, 24), of=24) == [2, 5, 8, 11]
    assert encoder.blocks_at((10, 15, 20, 24), of=24) == [4, 7, 9, 11]
    assert tiny(depth=2).blocks_at((1, 2, 3, 4), of=4) == [0, 1]
    assert encoder.blocks_at((), of=24) == []


def test_plain_vit__ends_after_a_block() -> None:
    encoder = tiny()
    image = image_of(encoder, 3, 4)
    with torch.no_grad():
        before = encoder.after(image, [1])[0]
        encoder.end_after(1)
        assert torch.equal(encoder.after(image, [1])[0], before)
    assert (encoder.depth, len(encoder.body.blocks)) == (2, 2)
    assert not any(name.startswith(("body.norm.", "body.blocks.2")) for name, _ in encoder.named_parameters())


def test_plain_vit__norm_eps_reaches_every_norm() -> None:
    encoder = tiny("vit_base_patch16_clip_224", norm_eps=1e-3)
    eps = [module.eps for module in encoder.modules() if isinstance(module, nn.LayerNorm)]
    assert eps == [1e-3] * 8
    assert next(m.eps for m in tiny().modules() if isinstance(m, nn.LayerNorm)) == 1e-6


SMALL: dict[str, Any] = {"embed_dim": 16, "depth": 2, "num_heads": 2}


@pytest.mark.parametrize("classes", [1000, 0])
@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "deit_tiny_distilled_patch16_224"])
def test_plain_vit__loads_a_local_file_with_or_without_classifier(
    tmp_path: Path, name: str, classes: int
) -> None:
    state = timm.create_model(name, num_classes=classes, **SMALL).state_dict()
    file = tmp_path / "vit.safetensors"
    save_file(state, file)
    encoder = build_plain_vit(name, in_channels=3, pretrained=str(file), options=SMALL)
    ours = encoder.body.state_dict()
    assert all(torch.equal(tensor, state[key]) for key, tensor in ours.items())
    assert {key for key in state if key not in ours} <= {
        f"{head}.{part}" for head in ("head", "head_dist") for part in ("weight", "bias")
    }
    assert encoder.mean is not None
    assert len(encoder.mean) == 3


def test_plain_vit__fits_a_local_file_to_size_and_channels(tmp_path: Path) -> None:
    state = timm.create_model("vit_tiny_patch16_224", **SMALL).state_dict()
    file = tmp_path / "vit.safetensors"
    save_file(state, file)
    options = {**SMALL, "img_size": 96}
    encoder = build_plain_vit("vit_tiny_patch16_224", in_channels=1, pretrained=str(file), options=options)
    assert encoder.body.pos_embed.shape == (1, 37, 16)
    expected = state["patch_embed.proj.weight"].sum(dim=1, keepdim=True)
    torch.testing.assert_close(encoder.body.patch_embed.proj.weight, expected)
    assert (encoder.mean, encoder.std) == ((127.5,), (127.5,))


def test_plain_vit__a_network_on_it_is_rebuilt_without_the_file(tmp_path: Path) -> None:
    file = tmp_path / "vit.safetensors"
    save_file(timm.create_model("vit_tiny_patch16_224", **{**SMALL, "depth": 4}).state_dict(), file)
    options: dict[str, Any] = {"encoder_options": {**SMALL, "depth": 4}, "num_classes": 2}
    model = build_model("dpt", encoder="vit_tiny_patch16_224", pretrained=str(file), **options)
    assert model.arguments["mean"] == [127.5] * 3
    rebuilt = build_model("dpt", **model.arguments)
    rebuilt.load_state_dict(model.state_dict())


def test_plain_vit__loads_a_norm_after_the_pooling(tmp_path: Path) -> None:
    options: dict[str, Any] = {"embed_dim": 16, "depth": 2, "num_heads": 2}
    state = timm.create_model("vit_base_patch16_rpn_224", **options).state_dict()
    state["fc_norm.weight"] += 1
    file = tmp_path / "vit.safetensors"
    save_file(state, file)
    encoder = build_plain_vit(
        "vit_base_patch16_rpn_224", in_channels=3, pretrained=str(file), options=options
    )
    assert torch.equal(encoder.body.norm.weight, state["fc_norm.weight"])


def test_plain_vit__refuses_weights_of_another_network(tmp_path: Path) -> None:
    """Missing blocks and left over ones; timm itself would keep quiet about both."""
    for theirs, ours in ((1, 2), (2, 1)):
        for classes in (1000, 0):
            whole = timm.create_model(
                "vit_tiny_patch16_224", **{**SMALL, "depth": theirs}, num_classes=classes
            )
            save_file(whole.state_dict(), tmp_path / "vit.safetensors")
            with pytest.raises(RequestError, match=r"cannot build the encoder .* key\(s\) in state_dict"):
                build_plain_vit(
                    "vit_tiny_patch16_224",
                    in_channels=3,
                    pretrained=str(tmp_path / "vit.safetensors"),
                    options={**SMALL, "depth": ours},
                )


@pytest.mark.parametrize("name", ["resnet18", "swin_tiny_patch4_window7_224", "vit_base_r50_s16_224"])
def test_plain_vit__refuses_other_networks(name: str) -> None:
    with pytest.raises(RequestError, match=f"Encoder '{name}' is no plain vision transformer, which"):
        build_plain_vit(name, in_channels=3)


def test_plain_vit__refuses_unknown_names_and_options() -> None:
    with pytest.raises(RequestError, match=r"Unknown encoder 'vit_tiny_patch16_225': did you mean 'vit_"):
        build_plain_vit("vit_tiny_patch16_225", in_channels=3)
    with pytest.raises(RequestError, match=r"timm cannot build the encoder .* wings"):
        tiny(wings=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resampling": "nearest"}, "resampling = 'nearest': give 'bicubic' or 'bilinear'"),
        ({"norm_eps": 0}, "norm_eps = 0: give a small positive number"),
        ({"norm_eps": "small"}, "norm_eps = 'small': give a small positive number"),
        ({"patch_size": [16, 8]}, "has patches of 16 x 8 pixels; give patch_size as one number"),
    ],
)
def test_plain_vit__refuses_options_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        tiny(**options)
