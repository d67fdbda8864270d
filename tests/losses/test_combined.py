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
from terrazzo.losses.config import WEIGHTED, LossConfig, LossPart, build_loss, refuse_unused_weights
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


def test_build_loss__class_weights_go_to_parts_that_state_none() -> None:
    prediction, target = prediction_and_target()
    own = {"weight": [3, 2, 1]}
    parts = [LossPart(kind=kind) for kind in (*WEIGHTED, "dice", "bce")]
    parts += [LossPart(kind="cross_entropy", options=own)]
    _, values = build_loss(parts, class_weights=[1.0, 2.0, 3.0])(prediction, target)
    _, plain = build_loss(parts)(prediction, target)
    changed = {name for name in values if "." not in name and not torch.equal(values[name], plain[name])}
    assert changed == set(WEIGHTED)
    expected = cross_entropy(prediction.logits, target, stride=4, weight=[1.0, 2.0, 3.0])
    torch.testing.assert_close(values["cross_entropy"], expected.detach())


@pytest.mark.parametrize(
    ("parts", "taken"),
    [
        ([{"kind": "dice"}], False),
        ([{"kind": "cross_entropy", "options": {"weight": [1, 2]}}], False),
        ([{"kind": "dice"}, {"kind": "ohem"}], True),
    ],
)
def test_refuse_unused_weights__where_no_part_takes_them(parts: list[dict[str, Any]], taken: bool) -> None:
    config = validate(LossConfig, {"parts": parts, "class_weights": "sqrt"}, source="recipe")
    if taken:
        refuse_unused_weights(config)
        return
    with pytest.raises(RequestError, match=r"class_weights is sqrt, but no part .* cross_entropy, focal, "):
        refuse_unused_weights(config)


def test_loss_config__names_the_rules_of_class_weights() -> None:
    with pytest.raises(ConfigError, match=r"class_weights = 'often': input should be 'none', 'inverse'"):
        validate(LossConfig, {"class_weights": "often"}, source="recipe")


def test_combined_loss__tells_its_parts_how_far_the_run_is() -> None:
    combined = build_loss([LossPart(kind="dice"), LossPart(kind="ohem", options={"keep": 0.1, "until": 1.0})])
    prediction, target = prediction_and_target()
    combined.set_progress(0.0)
    start = combined(prediction, target)[1]
    combined.set_progress(1.0)
    end = combined(prediction, target)[1]
    expected = cross_entropy(prediction.logits, target, stride=4).detach()
    torch.testing.assert_close(start["ohem"], expected)
    assert end["ohem"] > 1.5 * expected
    assert torch.equal(start["dice"], end["dice"])


def test_build_loss__a_loss_that_changes_has_its_own_state() -> None:
    parts = [LossPart(kind="ohem"), LossPart(kind="ohem")]
    first, second = build_loss(parts).parts
    assert first.function is not second.function
    with pytest.raises(ConfigError, match=r"loss 'ohem' has no option 'kept': did you mean 'keep'"):
        build_loss([LossPart(kind="ohem", options={"kept": 0.5})])
    with pytest.raises(RequestError, match="keep of the loss 'ohem' is 2"):
        build_loss([LossPart(kind="ohem", options={"keep": 2})])


def test_combined_loss__auxiliary_weights_take_the_place_of_the_network_s() -> None:
    prediction, target = prediction_and_target()
    total, values = build_loss(LossConfig().parts, auxiliary_weights=[2.0])(prediction, target)
    expected = values["cross_entropy"] + 2 * values["auxiliary1.cross_entropy"]
    torch.testing.assert_close(total.detach(), expected)
    wrong = build_loss(LossConfig().parts, auxiliary_weights=[2.0, 1.0])
    with pytest.raises(RequestError, match="holds 2 numbers, but the network has 1 auxiliary outputs"):
        wrong(prediction, target)
