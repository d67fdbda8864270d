"""DPT of transformers and ours: the same numbers from the same weights."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import DPTConfig, DPTForSemanticSegmentation

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from terrazzo.models.base import SegmentationModel
from terrazzo.models.foreign import from_module

TINY: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "image_size": 64,
    "patch_size": 16,
    "backbone_out_indices": [0, 1, 2, 3],
    "neck_hidden_sizes": [8, 16, 24, 32],
    "fusion_hidden_size": 8,
    "num_labels": 5,
    "use_batch_norm_in_fusion_residual": True,
}


def theirs(**options: Any) -> DPTForSemanticSegmentation:
    """Return a small module of theirs in eval mode, none of whose numbers is 0 or 1."""
    torch.manual_seed(0)
    module = DPTForSemanticSegmentation(DPTConfig(**{**TINY, **options}))
    for name, tensor in module.state_dict().items():
        if not tensor.is_floating_point():
            continue
        scale = tensor[0].numel() ** -0.5 if tensor.ndim >= 2 and "embeddings" not in name else 0.2
        tensor.copy_(torch.randn_like(tensor) * scale)
        if name.endswith("running_var") or (tensor.ndim == 1 and name.endswith("weight")):
            tensor.abs_().add_(0.5)
    module.train(False)
    return module


def assert_equal_output(module: nn.Module, ours: SegmentationModel, image: Tensor) -> None:
    with torch.no_grad():
        expected = F.interpolate(
            module(ours.normalize(image)).logits, size=image.shape[2:], mode="bilinear", align_corners=True
        )
        given = ours(image).full_size()
    assert expected.abs().max() > 0.1
    assert (given - expected).abs().max() < 1e-4 * expected.abs().max()


def images(side: int = 64) -> Tensor:
    return torch.randint(256, (2, 3, side, side), dtype=torch.uint8)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"readout_type": "add"},
        {"readout_type": "ignore", "use_auxiliary_head": False},
        {"use_batch_norm_in_fusion_residual": False},
        {"use_batch_norm_in_fusion_residual": False, "use_bias_in_fusion_residual": False},
        {"use_bias_in_fusion_residual": True},
        {"num_hidden_layers": 7, "backbone_out_indices": [0, 2, 3, 5], "qkv_bias": False},
        {"layer_norm_eps": 0.1, "head_in_index": 3},
        {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.2, "semantic_classifier_dropout": 0.3},
    ],
    ids=lambda options: " ".join(options) or "default",
)
def test_dpt__of_transformers_gives_the_same_logits(options: dict[str, Any]) -> None:
    module = theirs(**options)
    ours = from_module(module)
    assert_equal_output(module, ours, images())


def test_dpt__resizes_position_embeddings_as_transformers_does() -> None:
    module = theirs()
    assert_equal_output(module, from_module(module), images(96))


def test_dpt__auxiliary_head_of_transformers_gives_the_same_logits() -> None:
    module = theirs(auxiliary_loss_weight=0.3)
    ours = from_module(module).train()
    for part in ours.modules():
        if isinstance(part, nn.BatchNorm2d | nn.Dropout):
            part.eval()
    seen: list[Tensor] = []
    assert module.auxiliary_head is not None
    module.auxiliary_head.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    image = images()
    with torch.no_grad():
        module(ours.normalize(image))
        (output,) = ours(image).auxiliary
    assert (output.stride, output.weight, output.align_corners) == (2, 0.3, True)
    torch.testing.assert_close(output.logits, seen[0], rtol=1e-4, atol=1e-4 * float(seen[0].abs().max()))


def test_dpt__translation_keeps_dropouts_and_can_be_rebuilt() -> None:
    ours = from_module(theirs(hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.2))
    options = ours.arguments["encoder_options"]
    assert (options["proj_drop_rate"], options["pos_drop_rate"], options["attn_drop_rate"]) == (0.1, 0.1, 0.2)
    assert ours.arguments["dropout"] == 0.1
    rebuilt = build_model("dpt", **ours.arguments).eval()
    rebuilt.load_state_dict(ours.state_dict())
    image = images()
    with torch.no_grad():
        assert torch.equal(rebuilt(image).logits, ours(image).logits)


def test_dpt__normalises_as_its_image_processor_does() -> None:
    module = theirs()
    ours = from_module(module)
    assert ours.normalize.mean.flatten().tolist() == ours.normalize.std.flatten().tolist() == [127.5] * 3
    given = from_module(module, mean=(1.0, 2.0, 3.0))
    assert given.normalize.mean.flatten().tolist() == [1.0, 2.0, 3.0]


def test_dpt__refuses_hybrids() -> None:
    backbone = {
        "model_type": "bit",
        "layer_type": "bottleneck",
        "depths": [1, 1, 1],
        "hidden_sizes": [32, 64, 128],
        "embedding_size": 32,
        "num_groups": 8,
        "out_features": ["stage1", "stage2", "stage3"],
    }
    module = DPTForSemanticSegmentation(
        DPTConfig(
            **{**TINY, "is_hybrid": True, "backbone_config": backbone, "neck_hidden_sizes": [8, 16, 24, 32]}
        )
    )
    with pytest.raises(
        RequestError, match="stands on a backbone of its own \\('bit'; DPT-Hybrid has a BiT\\)"
    ):
        from_module(module)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reassemble_factors": [2, 2, 1, 0.5]}, r"reassemble_factors = .*; only \[4.0, 2.0, 1.0, 0.5\] can"),
        ({"hidden_act": "relu"}, "hidden_act = 'relu'; only 'gelu' can be translated"),
        ({"head_in_index": 1}, "has its head at fusion 1; only the last one"),
    ],
)
def test_dpt__refuses_what_ours_does_not_have(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        from_module(theirs(**options))


def test_dpt__names_a_tensor_that_does_not_fit() -> None:
    module = theirs()
    module.neck.convs[0] = nn.Conv2d(8, 9, kernel_size=3, bias=False)
    with pytest.raises(
        RequestError, match=r"Of another shape: lateral.0.weight \(9, 8, 3, 3\) instead of \(8, 8"
    ):
        from_module(module)
