"""EoMT of transformers and ours: equal masks, classes and scores."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import EomtConfig, EomtForUniversalSegmentation

from terrazzo.core.errors import RequestError
from terrazzo.models.eomt import EoMT
from terrazzo.models.foreign import from_module

TINY: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "num_blocks": 2,
    "image_size": 64,
    "patch_size": 16,
    "num_queries": 5,
    "num_labels": 3,
}


def theirs(probabilities: Sequence[float] = (0, 0), **changes: Any) -> Any:
    """Return a tiny network, every weight of which is random."""
    torch.manual_seed(0)
    module: Any = EomtForUniversalSegmentation(EomtConfig(**(TINY | changes)))
    with torch.no_grad():
        for name, weight in module.named_parameters():
            weight.normal_(std=0.3).add_("norm" in name and name.endswith("weight"))
    module.attn_mask_probs.copy_(torch.tensor(probabilities))
    return module.eval()


def ours(module: Any) -> EoMT:
    model = from_module(module)
    assert isinstance(model, EoMT)
    return model


def images(channels: int = 3, size: int = 64) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(256, (2, channels, size, size), generator=generator, dtype=torch.uint8)


def difference(actual: Tensor, expected: Tensor) -> float:
    """Return the largest absolute difference over the largest absolute value."""
    assert actual.shape == expected.shape
    return ((actual - expected).abs().amax() / expected.abs().amax()).item()


VARIANTS: dict[str, dict[str, Any]] = {
    "annealed": {},
    "masked": {"probabilities": (1, 1)},
    "half-annealed": {"probabilities": (0, 1)},
    "gated-mlp": {"use_swiglu_ffn": True},
    "patch-14": {"patch_size": 14, "image_size": 70, "num_upscale_blocks": 1, "probabilities": (1, 1)},
    "no-registers": {"num_register_tokens": 0},
    "one-channel": {"num_channels": 1, "mlp_ratio": 3},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_translate_eomt__gives_the_same_masks_classes_and_scores(variant: str) -> None:
    module = theirs(**VARIANTS[variant])
    model = ours(module)
    image = images(module.config.num_channels, module.config.image_size)
    with torch.no_grad():
        normal = model.normalize(image)
        expected = module(normal)
        said = model.segments(normal)[-1]
        logits = model(image).logits
    assert difference(said.mask_logits, expected.masks_queries_logits) < 1e-4
    assert difference(said.class_logits, expected.class_queries_logits) < 1e-4
    shares = expected.class_queries_logits.softmax(-1)[..., :-1]
    scores = torch.einsum("bqk,bqhw->bkhw", shares, expected.masks_queries_logits.sigmoid())
    assert difference(logits.exp(), scores) < 1e-4
    assert difference(logits, scores.log()) < 1e-4
    assert 0.1 < (said.mask_logits > 0).float().mean() < 0.9


def test_translate_eomt__masked_and_annealed_networks_differ() -> None:
    image = images()
    with torch.no_grad():
        masked, annealed, half = (
            ours(theirs(probabilities=probabilities))(image).logits
            for probabilities in ((1, 1), (0, 0), (0, 1))
        )
    assert difference(masked, annealed) > 1e-2
    assert difference(half, annealed) > 1e-2
    assert difference(half, masked) > 1e-2


def test_translate_eomt__reads_the_architecture_off_the_module() -> None:
    model = ours(theirs(probabilities=(1, 1)))
    assert model.architecture == "eomt"
    assert not model.training
    assert model.masked_evaluation
    assert (model.num_classes, model.num_queries, model.first_query_block) == (3, 5, 2)
    assert not ours(theirs()).masked_evaluation


@pytest.mark.parametrize("probabilities", [(0, 0.5), (1, 0)])
def test_translate_eomt__refuses_masks_that_are_half_annealed(probabilities: tuple[float, float]) -> None:
    with pytest.raises(RequestError, match="expected 0 in the first blocks and 1 in the others"):
        from_module(theirs(probabilities=probabilities))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_act": "relu"}, "hidden_act = 'relu': our eomt has 'gelu'"),
        ({"layer_norm_eps": 1e-5}, "layer_norm_eps = 1e-05: our eomt has 1e-06"),
        ({"num_upscale_blocks": 3}, "num_upscale_blocks = 3: our eomt has 2"),
    ],
)
def test_translate_eomt__refuses_what_the_paper_does_not_have(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        from_module(theirs(**changes))


def test_translate_eomt__names_a_key_that_does_not_fit() -> None:
    module = theirs()
    module.layers[1].extra = torch.nn.Linear(2, 2)
    with pytest.raises(RequestError, match=r"Left over: encoder\.body\.blocks\.1\.extra\.weight"):
        from_module(module)
