"""PIDNet: the published sizes, and what is special about it: three branches and how they guide each other."""

from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from terrazzo.core.prediction import Prediction
from terrazzo.losses.config import LossPart, build_loss
from terrazzo.models import build_model
from terrazzo.models.pidnet import PIDNet
from terrazzo.models.pidnet_branches import PAPPM, Bag, LightBag, Pag
from tests.models.contract import ModelContract, Published, images


class TestPIDNetSmall(ModelContract):
    name = "pidnet"
    options: ClassVar[dict[str, Any]] = {"channels": 16}
    stride = 8
    parameters = 2_318_505
    needs_two_images = True
    published = Published(
        arguments={"num_classes": 19, "auxiliary": False},
        ours=7_625_651,
        millions=7.6,
        source="the table of results on Cityscapes, without the heads for training",
    )


class TestPIDNetLarge(ModelContract):
    name = "pidnet"
    options: ClassVar[dict[str, Any]] = {
        "variant": "l",
        "channels": 8,
        "auxiliary": False,
        "align_corners": True,
    }
    stride = 8
    parameters = 1_173_596
    needs_two_images = True
    published = Published(
        arguments={"num_classes": 19, "variant": "l", "auxiliary": False},
        ours=36_939_443,
        millions=36.9,
        source="the table of results on Cityscapes, without the heads for training",
    )


def test_pidnet__medium_is_as_large_as_the_official_code_makes_it() -> None:
    """Published are 34.4 million, which four blocks at strides 16 and 32 would have.

    The table of the architecture, the official code and its weights have three.
    """
    with torch.device("meta"):
        model = build_model("pidnet", num_classes=19, variant="m", auxiliary=False)
    count = sum(p.numel() for p in model.parameters())
    assert count == 28_538_387
    fourth = sum(2 * (9 * width**2 + 2 * width) for width in (256, 512))
    assert (count + fourth) / 1e6 == pytest.approx(34.4, rel=0.005)


def tiny(**options: Any) -> PIDNet:
    torch.manual_seed(0)
    model = build_model("pidnet", **{"num_classes": 3, "channels": 4, **options})
    assert isinstance(model, PIDNet)
    return model


def stripes(height: int, width: int) -> Tensor:
    return (torch.arange(width) // 24 % 3).expand(2, height, width)


def test_pidnet__has_a_head_for_classes_and_one_for_boundaries_in_training() -> None:
    model = tiny(align_corners=True)
    prediction = model(images(2, 3, 70, 96))
    (auxiliary,), (boundary,) = prediction.auxiliary, prediction.boundaries
    assert (auxiliary.stride, auxiliary.weight, auxiliary.align_corners) == (8, 0.4, True)
    assert boundary.logits.shape == (2, 1, 9, 12)
    assert (boundary.stride, boundary.weight, boundary.aware_weight, boundary.threshold) == (8, 20, 1, 0.8)
    assert boundary.align_corners
    assert model.eval()(images(2, 3, 70, 96)).boundaries == ()
    plain = tiny(auxiliary=False)(images(2, 3, 70, 96))
    assert (plain.auxiliary, plain.boundaries) == ((), ())


def test_pidnet__boundary_loss_trains_the_boundary_branch() -> None:
    model = tiny()
    loss, values = build_loss([LossPart(kind="cross_entropy")])(model(images(2, 3, 64, 96)), stripes(64, 96))
    assert {"boundary1", "boundary1.aware"} <= set(values)
    torch.autograd.backward(loss)
    assert model.find_boundary is not None
    assert all(p.grad is not None and p.grad.any() for p in model.find_boundary.parameters())


def test_pidnet__the_extra_heads_see_first_and_second_level() -> None:
    model = tiny().eval()
    with torch.no_grad():
        stem = model.stem(model.normalize(images(2, 3, 64, 64)))
        detail, context, boundary = model.levels[0](stem, stem, stem)
        second = model.levels[1](detail, context, boundary)[2]
        for module in model.modules():
            module.training = not isinstance(module, nn.BatchNorm2d)
        prediction = model(images(2, 3, 64, 64))
        assert model.classify_detail is not None
        assert model.find_boundary is not None
        torch.testing.assert_close(prediction.auxiliary[0].logits, model.classify_detail(detail))
        torch.testing.assert_close(prediction.boundaries[0].logits, model.find_boundary(second))


@pytest.mark.parametrize("variant", ["s", "l"])
def test_pidnet__every_branch_changes_the_logits(variant: str) -> None:
    model: Any = tiny(variant=variant).eval()
    image = images(1, 3, 64, 64)
    nn.init.normal_(model.classify.last.weight)
    with torch.no_grad():
        before = model(image).logits
        for branch in (model.detail, model.context[0], model.boundary):
            saved = branch.convs[-1][0].weight.clone()
            branch.convs[-1][0].weight.zero_()
            assert not torch.allclose(model(image).logits, before)
            branch.convs[-1][0].weight.copy_(saved)
        torch.testing.assert_close(model(image).logits, before)


def test_pidnet__aligns_corners_of_logits_only() -> None:
    one, other = tiny().eval(), tiny(align_corners=True).eval()
    image = images(1, 3, 64, 64)
    with torch.no_grad():
        first, second = one(image), other(image)
    assert isinstance(first, Prediction)
    assert torch.equal(first.logits, second.logits)
    assert not torch.equal(first.full_size(), second.full_size())


def identity(conv: Tensor) -> None:
    """Make a 1x1 convolution of as many outputs as inputs do nothing."""
    with torch.no_grad():
        conv.copy_(torch.eye(len(conv)).view_as(conv))


def test_pag__mixes_by_how_well_the_branches_agree() -> None:
    pag: Any = Pag(1, 1).eval()
    identity(pag.embed_detail[0].weight)
    identity(pag.embed_context[0].weight)
    detail = torch.tensor([[[[2.0, 0.0], [-3.0, 1.0]]]])
    context = torch.full((1, 1, 1, 1), 4.0)
    share = (detail * 4 / (1 + 1e-5)).sigmoid()  # batch norm divides each factor by sqrt(1 + 1e-5)
    with torch.no_grad():
        torch.testing.assert_close(pag(detail, context), (1 - share) * detail + share * 4)
    assert share[0, 0, 0, 1] == 0.5


def test_bag__takes_detail_at_boundaries_and_context_elsewhere() -> None:
    bag: Any = Bag(2).eval()
    bag.conv = nn.Identity()
    detail, context = torch.full((1, 2, 1, 2), 5.0), torch.full((1, 2, 1, 2), -1.0)
    boundary = torch.tensor([100.0, -100.0]).expand(1, 2, 1, 2)
    assert bag(detail, context, boundary)[0, 0, 0].tolist() == [5, -1]


def test_light_bag__gives_each_branch_the_others_share() -> None:
    bag: Any = LightBag(1).eval()
    bag.detail = bag.context = nn.Identity()
    detail, context = torch.full((1, 1, 1, 3), 5.0), torch.full((1, 1, 1, 3), -1.0)
    boundary = torch.tensor([100.0, -100.0, 0.0]).view(1, 1, 1, 3)
    # detail + (1 - share) context, and context + share detail
    assert bag(detail, context, boundary)[0, 0, 0].tolist() == [5 + (-1 + 5), (5 - 1) - 1, 4.5 + 1.5]


def test_pappm__averages_do_not_see_each_other() -> None:
    torch.manual_seed(0)
    context: Any = PAPPM(8, 4, 6).eval()
    features = torch.randn(1, 8, 5, 7)
    with torch.no_grad():
        assert context(features).shape == (1, 6, 5, 7)
        same, averages = context.pooled(features)
        whole = context.process(torch.cat([average + same for average in averages], dim=1))
        nn.init.zeros_(context.scales[2][2].weight)
        same, averages = context.pooled(features)
        changed = context.process(torch.cat([average + same for average in averages], dim=1))
    pairs = zip(whole.split(4, dim=1), changed.split(4, dim=1), strict=True)
    assert [torch.equal(one, other) for one, other in pairs] == [True, False, True, True]
