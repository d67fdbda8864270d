"""The mask classification loss: worked numbers, matching, void, and where its pixels come from."""

from math import exp, log
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import EomtConfig, EomtForUniversalSegmentation

from terrazzo.core.errors import DataError
from terrazzo.core.prediction import Queries, upsample
from terrazzo.losses.masks import POINTS, _draw_uncertain, _match, _Truth, mask_classification


def example(*, void: bool = False) -> tuple[Queries, Tensor]:
    """Return 4 queries for 3 classes, masks (2, 4, 5, 4) at stride 4, and labels (2, 18, 15)."""
    generator = torch.Generator().manual_seed(3)
    target = torch.randint(3, (2, 18, 15), generator=generator, dtype=torch.uint8)
    if void:
        target[:, :, 8:] = 255
    masks = torch.randn(2, 4, 5, 4, generator=generator, requires_grad=True)
    classes = torch.randn(2, 4, 4, generator=generator, requires_grad=True)
    return Queries(masks, classes, stride=4), target


def seeded(queries: Queries, target: Tensor, **options: Any) -> Tensor:
    torch.manual_seed(5)
    return mask_classification(queries, target, **options)


def gradients(value: Tensor, queries: Queries) -> tuple[Tensor, Tensor]:
    masks, classes = torch.autograd.grad(value, [queries.mask_logits, queries.class_logits])
    return masks, classes


def truthful(target: Tensor, num_classes: int, scale: float) -> Queries:
    """Return queries that say the truth, one per class, in reverse order, and one that says "no object"."""
    masks = torch.stack([target == label for label in reversed(range(num_classes))], dim=1)
    masks = F.pad(2.0 * masks - 1, (0, 0, 0, 0, 0, 1), value=-1.0)
    present = masks.flatten(2).amax(dim=2) > 0
    labels = torch.tensor([*reversed(range(num_classes)), num_classes]).where(present, num_classes)
    return Queries(scale * masks, scale * F.one_hot(labels, num_classes + 1).float(), stride=1)


def test_mask_classification__worked_by_hand() -> None:
    """One image of 1 x 3 pixels, the last void; both queries know no class, the second knows the mask."""
    target = torch.tensor([[[1, 0, 255]]])
    masks = torch.tensor([[[[0.0, 0.0, 9.0]], [[log(3), -log(3), 9.0]]]])
    queries = Queries(masks, torch.zeros(1, 2, 3), stride=1)
    # The second query takes class 1 (it says 3/4 and 1/4), the first is left with class 0 (1/2 and 1/2).
    first = 5 * log(2) + 5 * (1 - (2 * 0.5 + 1) / (1 + 1 + 1))
    second = 5 * log(4 / 3) + 5 * (1 - (2 * 0.75 + 1) / (1 + 1 + 1))
    expected = 2 * log(3) + (first + second) / 2
    assert mask_classification(queries, target, points=None).item() == pytest.approx(expected, rel=1e-5)


def test_mask_classification__a_query_without_a_segment_counts_a_tenth() -> None:
    target = torch.zeros(1, 1, 2, dtype=torch.uint8)
    masks = torch.tensor([[[[50.0, 50.0]], [[-50.0, -50.0]]]])
    classes = torch.tensor([[[0.0, 0.0], [log(3), 0.0]]])
    loss = mask_classification(Queries(masks, classes, stride=1), target, points=None)
    # The matched one says 1/2 to class 0, the other 1/4 to "no object".
    assert loss.item() == pytest.approx(2 * (log(2) + 0.1 * log(4)) / 1.1, rel=1e-5)


def test_mask_classification__is_nearly_zero_for_the_truth_and_falls_towards_it() -> None:
    _, target = example()
    good, better, wrong = (seeded(truthful(target, 3, scale), target) for scale in (2.0, 6.0, -6.0))
    assert better < good < wrong
    assert seeded(truthful(target, 3, 40.0), target).item() < 1e-4


def test_mask_classification__divides_by_the_pairs_of_the_batch() -> None:
    queries, target = example()
    twice = Queries(queries.mask_logits.repeat(3, 1, 1, 1), queries.class_logits.repeat(3, 1, 1), stride=4)
    torch.testing.assert_close(
        mask_classification(twice, target.repeat(3, 1, 1), points=None),
        mask_classification(queries, target, points=None),
    )


@pytest.mark.parametrize("points", [None, POINTS])
def test_mask_classification__does_not_mind_the_order_of_queries(points: int | None) -> None:
    queries, target = example()
    order = [2, 0, 3, 1]
    other = Queries(queries.mask_logits[:, order], queries.class_logits[:, order], stride=4)
    torch.testing.assert_close(seeded(other, target, points=points), seeded(queries, target, points=points))


@pytest.mark.parametrize("points", [None, POINTS])
def test_mask_classification__does_not_see_what_lies_under_void(points: int | None) -> None:
    queries, target = example(void=True)
    masks = queries.mask_logits.detach().clone()
    masks[..., 3:] += 50  # this column of logits reaches void pixels only
    other = Queries(masks.requires_grad_(), queries.class_logits, stride=4)
    value, changed = seeded(queries, target, points=points), seeded(other, target, points=points)
    assert torch.equal(value, changed)
    mine, changed_gradients = gradients(value, queries), gradients(changed, other)
    assert all(torch.equal(a, b) for a, b in zip(mine, changed_gradients, strict=True))
    assert mine[0][..., 3:].count_nonzero() == 0
    assert mine[0][..., :3].count_nonzero() > 0


def test_mask_classification__of_nothing_but_void_is_zero_with_zero_gradient() -> None:
    queries, target = example()
    value = mask_classification(queries, torch.full_like(target, 255))
    assert value.item() == 0
    assert all(gradient.count_nonzero() == 0 for gradient in gradients(value, queries))


def test_mask_classification__an_image_of_void_says_nothing() -> None:
    queries, target = example()
    target[1] = 255
    alone = Queries(queries.mask_logits[:1], queries.class_logits[:1], stride=4)
    value = mask_classification(queries, target, points=None)
    torch.testing.assert_close(value, mask_classification(alone, target[:1], points=None))
    assert all(gradient[1].count_nonzero() == 0 for gradient in gradients(value, queries))


def test_mask_classification__gradient_is_that_of_finite_differences() -> None:
    queries, target = example(void=True)
    generator = torch.Generator().manual_seed(9)
    shapes = queries.mask_logits.shape, queries.class_logits.shape
    directions = [torch.randn(shape, generator=generator) for shape in shapes]

    def moved(step: float) -> Tensor:
        masks, classes = (
            queries.mask_logits + step * directions[0],
            queries.class_logits + step * directions[1],
        )
        return mask_classification(Queries(masks, classes, stride=4), target, points=None)

    found = gradients(mask_classification(queries, target, points=None), queries)
    expected = sum((gradient * way).sum() for gradient, way in zip(found, directions, strict=True))
    torch.testing.assert_close((moved(5e-3) - moved(-5e-3)) / 1e-2, expected, atol=1e-3, rtol=1e-3)


def test_mask_classification__is_computed_in_float32_under_autocast() -> None:
    queries, target = example()
    narrow = Queries(queries.mask_logits.bfloat16(), queries.class_logits.bfloat16(), stride=4)
    with torch.autocast("cpu", torch.bfloat16):
        value = seeded(narrow, target)
    wide = Queries(narrow.mask_logits.float(), narrow.class_logits.float(), stride=4)
    assert value.dtype == torch.float32
    assert torch.equal(value, seeded(wide, target))


def test_mask_classification__matches_in_float32_under_autocast() -> None:
    """Forty queries that are nearly alike: coarser costs would choose others of them."""
    queries, target = example()
    masks = queries.mask_logits[:, :1] + 1e-3 * torch.randn(2, 40, 5, 4)
    alike = Queries(masks, torch.zeros(2, 40, 4), stride=4)
    with torch.autocast("cpu", torch.bfloat16):
        value = seeded(alike, target)
    assert torch.equal(value, seeded(alike, target))


def test_mask_classification__takes_any_label_dtype_and_void() -> None:
    queries, target = example(void=True)
    wide = torch.where(target == 255, -1, target.to(torch.int16))
    assert torch.equal(seeded(queries, wide, ignore_index=-1), seeded(queries, target))


def test_mask_classification__refuses_an_id_that_is_no_class() -> None:
    queries, target = example()
    target[0, 0, 0] = 3  # as many as there are classes: the queries' "no object"
    with pytest.raises(DataError, match=r"Target holds id 3 on 1 pixels; expected 0\.\.2 or 255"):
        mask_classification(queries, target)


def test_mask_classification__draws_from_the_global_generator() -> None:
    queries, target = example()
    assert torch.equal(seeded(queries, target), seeded(queries, target))
    assert not torch.equal(seeded(queries, target), mask_classification(queries, target))


def test_mask_classification__of_nan_is_nan_and_no_crash() -> None:
    queries, target = example()
    broken = Queries(queries.mask_logits * float("nan"), queries.class_logits, stride=4)
    assert mask_classification(broken, target).isnan()


def test_mask_classification__matches_as_many_as_there_are_queries() -> None:
    queries, target = example()
    few = Queries(queries.mask_logits[:, :2], queries.class_logits[:, :2], stride=4)
    value = mask_classification(few, target)
    assert value.isfinite()
    assert gradients(value, queries)[0][:, 2:].count_nonzero() == 0


def test_mask_classification__is_about_that_of_transformers() -> None:
    """Their pixels are drawn between the pixel centres, so the two agree but for the segments' edges."""
    settings: dict[str, Any] = {
        "num_labels": 3,
        "num_queries": 4,
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_blocks": 1,
    }
    draws: dict[str, Any] = {
        "train_num_points": 200_000,
        "oversample_ratio": 1.0,
        "importance_sample_ratio": 0.0,
    }
    torch.manual_seed(0)
    theirs: Any = EomtForUniversalSegmentation(EomtConfig(**settings, **draws))
    blobs = F.interpolate(torch.randn(2, 7, 4, 5), size=(48, 40), mode="bicubic")
    masks, classes = 3 * blobs[:, :4], torch.randn(2, 4, 4)
    target = blobs[:, 4:].argmax(dim=1)
    labels = [image.unique() for image in target]
    segments = [torch.stack([image == label for label in found]).float()
                for image, found in zip(target, labels, strict=True)]  # fmt: skip
    expected = theirs.get_loss(theirs.get_loss_dict(masks, classes, segments, labels, None))
    ours = mask_classification(Queries(masks, classes, stride=1), target, points=None)
    assert ours.item() == pytest.approx(expected.item(), rel=0.02)


def test_match__takes_the_cheapest_pairs_by_class_or_mask() -> None:
    target = torch.tensor([[0, 0, 1, 1]])
    truth = _Truth(target, 255, 1)
    left, right = torch.tensor([[9.0, 9.0, -9.0, -9.0]]), torch.tensor([[-9.0, -9.0, 9.0, 9.0]])
    nothing = torch.zeros(3, 3)
    queries, segments = _match(torch.stack([-left - 9, right, left]), nothing, truth, None)
    assert (queries.tolist(), segments.tolist()) == ([2, 1], [0, 1])
    same = torch.zeros(3, 1, 4)
    says = torch.eye(3)[[2, 1, 0]]
    queries, segments = _match(same, says, truth, None)
    assert (queries.tolist(), segments.tolist()) == ([2, 1], [0, 1])


@pytest.mark.parametrize("stride", [1, 3, 4])
def test_truth__reads_masks_at_full_size(stride: int) -> None:
    target = torch.zeros(18, 15, dtype=torch.uint8)
    masks = torch.randn(3, -(-18 // stride), -(-15 // stride))
    truth = _Truth(target, 255, stride)
    full = upsample(masks[None], (18, 15), stride=stride)[0].flatten(1)
    read = truth.read(masks[None], truth.pixels_P[None])[0]
    torch.testing.assert_close(read, full, atol=1e-5, rtol=1e-5)


def test_draw_uncertain__looks_where_the_mask_is_undecided() -> None:
    target = torch.zeros(8, 40, dtype=torch.uint8)
    target[0] = 255
    masks = torch.full((2, 8, 40), 5.0)
    masks[0, :, :10] = 0.1
    masks[1, :, 30:] = -0.1
    torch.manual_seed(0)
    pixels = _draw_uncertain(masks, _Truth(target, 255, 1), 400)
    assert pixels.shape == (2, 400)
    assert pixels.min() >= 40  # the first row is void
    # A quarter of 1200 candidates is undecided: all 300 of them are taken, and a quarter of the other 100.
    undecided = [(pixels[0] % 40 < 10).float().mean(), (pixels[1] % 40 >= 30).float().mean()]
    assert [share.item() for share in undecided] == [pytest.approx(0.81, abs=0.06)] * 2
    assert (pixels[:, 300:] % 40).float().mean().item() == pytest.approx(19.5, abs=2)
    assert not torch.equal(pixels[0], pixels[1])


def test_mask_classification__leaves_its_inputs_alone() -> None:
    queries, target = example(void=True)
    before = queries.mask_logits.detach().clone(), queries.class_logits.detach().clone(), target.clone()
    torch.autograd.backward(mask_classification(queries, target))
    after = queries.mask_logits, queries.class_logits, target
    assert all(torch.equal(a, b) for a, b in zip(after, before, strict=True))


def test_mask_classification__softens_dice_by_one_pixel() -> None:
    """A mask of probability e/(1+e) on its only pixel: Dice has 1 added above and below the line."""
    queries = Queries(torch.ones(1, 1, 1, 1), torch.tensor([[[60.0, 0.0]]]), stride=1)
    share = exp(1) / (1 + exp(1))
    expected = -5 * log(share) + 5 * (1 - (2 * share + 1) / (share + 2))
    loss = mask_classification(queries, torch.zeros(1, 1, 1, dtype=torch.uint8), points=None)
    assert loss.item() == pytest.approx(expected, rel=1e-5)
