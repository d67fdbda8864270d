"""The weighted sum of losses and its config."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from terrazzo.core.config import validate
from terrazzo.core.errors import ConfigError, RequestError
from terrazzo.core.prediction import Auxiliary, Prediction, Queries
from terrazzo.losses.combined import CombinedLoss, WeightedLoss
from terrazzo.losses.config import LossConfig, LossPart, build_loss
from terrazzo.losses.masks import mask_classification
from terrazzo.losses.pixel import cross_entropy
from terrazzo.losses.region import dice


def prediction_and_target() -> tuple[Prediction, Tensor]:
    generator = torch.Generator().manual_seed(0)
    main = torch.randn(2, 3, 4, 4, generator=generator, requires_grad=True)
    coarse = torch.randn(2, 3, 2, 2, generator=generator, requires_grad=True)
    target = torch.randint(3, (2, 15, 16), generator=generator)
    auxiliary = Auxiliary(coarse, stride=8, weight=0.4)
    return Prediction(main, stride=4, size=(15, 16), auxiliary=(auxiliary,)), target


def test_combined_loss__is_the_weighted_sum_and_returns_every_part() -> None:
    prediction, target = prediction_and_target()
    combined = CombinedLoss([WeightedLoss("ce", 1.0, cross_entropy), WeightedLoss("dice", 0.5, dice)])
    total, parts = combined(prediction, target)
    ce, overlap = (loss(prediction.logits, target, stride=4) for loss in (cross_entropy, dice))
    coarse = prediction.auxiliary[0].logits
    ce_coarse, overlap_coarse = (loss(coarse, target, stride=8) for loss in (cross_entropy, dice))
    torch.testing.assert_close(total, ce + 0.5 * overlap + 0.4 * (ce_coarse + 0.5 * overlap_coarse))
    expected = {
        "ce": ce.detach(),
        "dice": overlap.detach(),
        "auxiliary1.ce": ce_coarse.detach(),
        "auxiliary1.dice": overlap_coarse.detach(),
    }
    assert list(parts) == list(expected)
    torch.testing.assert_close(parts, expected)


def test_combined_loss__adds_masks_with_classes_and_leaves_out_a_main_output_without_weight() -> None:
    prediction, target = prediction_and_target()
    masks = torch.randn(2, 4, 4, 4), torch.randn(2, 4, 4)
    queries = Queries(*masks, stride=4, weight=0.5), Queries(*masks, stride=4)
    combined = CombinedLoss([WeightedLoss("ce", 1.0, cross_entropy)])
    torch.manual_seed(0)
    expected = [mask_classification(output, target) for output in queries]
    torch.manual_seed(0)
    total, parts = combined(replace(prediction, auxiliary=(), queries=queries, weight=0.0), target)
    assert list(parts) == ["masks1", "masks2"]
    torch.testing.assert_close(list(parts.values()), expected)
    torch.testing.assert_close(total, 0.5 * expected[0] + expected[1])
    half, parts = combined(replace(prediction, auxiliary=(), weight=0.5), target)
    torch.testing.assert_close(half, 0.5 * parts["ce"])


def test_combined_loss__differentiates_main_and_auxiliary_outputs() -> None:
    prediction, target = prediction_and_target()
    total, parts = build_loss([LossPart(kind="cross_entropy")])(prediction, target)
    torch.autograd.backward(total)
    assert prediction.logits.grad is not None
    assert prediction.auxiliary[0].logits.grad is not None
    assert not any(value.requires_grad for value in parts.values())


def test_combined_loss__needs_parts_with_different_names() -> None:
    with pytest.raises(RequestError, match="needs at least one part"):
        CombinedLoss([])
    with pytest.raises(RequestError, match="need different names to be logged; given: a, a"):
        CombinedLoss([WeightedLoss("a", 1.0, dice), WeightedLoss("a", 1.0, dice)])


def test_build_loss__binds_options_weights_and_void() -> None:
    prediction, target = prediction_and_target()
    target = torch.where(target == 2, -1, target)
    options: dict[str, Any] = {"weight": [1, 2, 3], "label_smoothing": 0.1}
    parts = [
        LossPart(kind="cross_entropy", weight=2.0, options=options),
        LossPart(kind="dice"),
        LossPart(kind="dice"),
    ]
    combined = build_loss(parts, ignore_index=-1)
    _, values = combined(Prediction(prediction.logits, 4, (15, 16)), target)
    expected = cross_entropy(prediction.logits, target, stride=4, ignore_index=-1, **options)
    assert list(values) == ["cross_entropy", "dice", "dice2"]
    torch.testing.assert_close(values["cross_entropy"], expected.detach())
    assert [part.weight for part in combined.parts] == [2.0, 1.0, 1.0]


def test_build_loss__default_config_is_cross_entropy() -> None:
    assert [part.name for part in build_loss(LossConfig().parts).parts] == ["cross_entropy"]


def test_build_loss__suggests_the_closest_loss_and_option() -> None:
    with pytest.raises(RequestError, match="Unknown loss 'dise': did you mean 'dice'"):
        build_loss([LossPart(kind="dise")])
    with pytest.raises(
        ConfigError,
        match=r"loss 'dice' has no option 'smoth': did you mean 'smooth'\? Known: per_image, smooth, squared",
    ):
        build_loss([LossPart(kind="dice", options={"smoth": 1})])
    with pytest.raises(ConfigError, match="Option smooth = 'much' of the loss 'dice'"):
        build_loss([LossPart(kind="dice", options={"smooth": "much"})])


def test_loss_config__is_checked() -> None:
    config = validate(LossConfig, {"parts": [{"kind": "dice", "weight": 0.5}]}, source="recipe")
    assert config.parts == (LossPart(kind="dice", weight=0.5),)
    with pytest.raises(ConfigError, match=r"parts.0.weight = -1"):
        validate(LossConfig, {"parts": [{"kind": "dice", "weight": -1}]}, source="recipe")
