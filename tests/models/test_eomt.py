"""EoMT: queries in the last blocks, masked attention that fades, and per-pixel scores."""

from typing import Any, ClassVar, cast

import pytest
import torch
from torch import Tensor

from terrazzo.core.errors import RequestError
from terrazzo.core.prediction import Queries
from terrazzo.losses.combined import CombinedLoss, WeightedLoss
from terrazzo.losses.pixel import cross_entropy
from terrazzo.models import build_model
from terrazzo.models.eomt import EoMT, ScaleBlock, log_scores, upscalings
from terrazzo.train.average import AveragedModel
from tests.models.contract import ModelContract, Published

# A layer scale of 1, where DINOv2 begins with 1e-5: otherwise no block of a fresh network does anything.
TINY: dict[str, Any] = {"img_size": 64, "embed_dim": 32, "depth": 4, "num_heads": 2, "init_values": 1.0}


class TestEoMT(ModelContract):
    name = "eomt"
    encoder = "vit_small_patch14_reg4_dinov2"
    options: ClassVar[dict[str, Any]] = {"encoder_options": TINY, "num_queries": 5, "query_blocks": 2}
    stride = 4
    parameters = 88_869
    published = Published(
        arguments={
            "num_classes": 133,
            "encoder": "vit_large_patch14_reg4_dinov2",
            "encoder_options": {"img_size": 640},
            "num_queries": 200,
            "query_blocks": 4,
        },
        ours=316_695_686,
        millions=316,
        source="table 1",
    )


class TestEoMTMaskedPatch14(ModelContract):
    name = "eomt"
    encoder = "vit_tiny_patch16_224"
    options: ClassVar[dict[str, Any]] = {
        "encoder_options": TINY | {"patch_size": 14, "img_size": 56},
        "num_queries": 7,
        "query_blocks": 3,
        "masked_evaluation": True,
    }
    stride = 7
    parameters = 78_597


def eomt(**options: Any) -> EoMT:
    """Return a tiny network with two query blocks of four, 5 queries and 5 prefix tokens."""
    torch.manual_seed(0)
    given = {"num_classes": 3, "encoder": TestEoMT.encoder, **TestEoMT.options} | options
    return cast(EoMT, build_model("eomt", **given))


def images(batch: int = 2, height: int = 64, width: int = 96) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(256, (batch, 3, height, width), generator=generator, dtype=torch.uint8)


def test_upscalings__end_at_stride_4_where_they_can() -> None:
    patches = (4, 8, 14, 16, 32)
    assert [upscalings(patch) for patch in patches] == [1, 1, 1, 2, 3]
    assert [patch // 2 ** upscalings(patch) for patch in patches] == [2, 4, 7, 4, 4]


def test_scale_block__doubles_and_normalises_over_channels() -> None:
    torch.manual_seed(0)
    block = ScaleBlock(6)
    wide = block(torch.randn(2, 6, 3, 5))
    assert wide.shape == (2, 6, 6, 10)
    torch.testing.assert_close(wide.mean(dim=1), torch.zeros(2, 6, 10), atol=1e-5, rtol=0)
    torch.testing.assert_close(wide.var(dim=1, correction=0), torch.ones(2, 6, 10), atol=1e-2, rtol=0)


def test_log_scores__worked_by_hand() -> None:
    """One pixel, two queries, two classes: shares 1/2, 1/4, 1/4 and 1/8, 6/8, 1/8; masks 3/4 and 1/4."""
    classes = torch.tensor([[[2.0, 1.0, 1.0], [1.0, 6.0, 1.0]]]).log()
    masks = torch.tensor([3.0, 1 / 3]).log().reshape(1, 2, 1, 1)
    expected = [3 / 4 * 1 / 2 + 1 / 4 * 1 / 8, 3 / 4 * 1 / 4 + 1 / 4 * 6 / 8]
    logits = log_scores(Queries(masks, classes, stride=1))
    torch.testing.assert_close(logits.exp().flatten(), torch.tensor(expected))
    assert log_scores(Queries(masks - 1e4, classes, stride=1)).flatten().tolist() == pytest.approx(
        [-87.3365] * 2
    )


def test_log_scores__of_half_precision_and_on_the_meta_device() -> None:
    nothing = Queries(torch.full((1, 2, 1, 1), -1e4).half(), torch.zeros(1, 2, 3).half(), stride=1)
    assert log_scores(nothing).dtype == torch.float16
    assert log_scores(nothing).flatten().tolist() == pytest.approx([-87.3] * 2, abs=0.1)
    with torch.device("meta"):
        model = build_model("eomt", num_classes=3)
    assert model.eval()(torch.zeros(1, 3, 64, 96, device="meta")).logits.shape == (1, 3, 16, 24)


def test_eomt__trains_on_the_segments_of_every_query_block_alone() -> None:
    model = eomt()
    prediction = model(images(2, 70, 90))
    assert [output.mask_logits.shape for output in prediction.queries] == [(2, 5, 18, 23)] * 3
    assert [output.class_logits.shape for output in prediction.queries] == [(2, 5, 4)] * 3
    assert prediction.weight == 0
    last = prediction.queries[-1]
    torch.testing.assert_close(prediction.logits, log_scores(last))
    assert not torch.equal(prediction.queries[0].mask_logits, prediction.queries[1].mask_logits)
    evaluated = model.eval()(images(2, 70, 90))
    assert (evaluated.queries, evaluated.weight) == ((), 1.0)


def test_eomt__queries_enter_the_last_blocks_in_front() -> None:
    model = eomt()
    seen: list[Tensor] = []
    for block in model.encoder.body.blocks:
        block.register_forward_pre_hook(lambda _block, inputs: seen.append(inputs[0].detach()))
    model(images())
    patches = 4 * 6
    assert [tokens.shape[1] for tokens in seen] == [5 + patches] * 2 + [5 + 5 + patches] * 2
    torch.testing.assert_close(seen[2][:, :5], model.queries.weight.detach().expand(2, -1, -1))


def test_eomt__says_after_the_norm() -> None:
    """The first prediction is of the queries as they are; by hand for one class logit and one mask logit."""
    model = eomt()
    said = model(images()).queries[0]
    query = model.encoder.body.norm(model.queries.weight)
    torch.testing.assert_close(said.class_logits[1], model.classify(query))
    seen: list[Tensor] = []
    model.upscale.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    said = model(images()).queries[0]
    dot = (model.embed_masks(query[2]) * seen[0][1, :, 7, 9]).sum()
    torch.testing.assert_close(said.mask_logits[1, 2, 7, 9], dot)


def test_eomt__masked_queries_look_at_patches_in_their_mask_alone() -> None:
    model = eomt()
    masks = torch.full((1, 5, 16, 24), -1.0)
    masks[0, 1, :4, 8:16] = 1.0  # patches (0, 2) and (0, 3)
    masks[0, 2, 4:8, 4:8] = 1.0  # patch (1, 1)
    mask = model._attention_mask(masks, torch.tensor(1.0))
    assert mask.shape == (1, 1, 34, 34)
    patches = mask[0, 0, :5, 10:].reshape(5, 4, 6)
    assert patches[0].count_nonzero() == 0
    assert patches[1].nonzero().tolist() == [[0, 2], [0, 3]]
    assert patches[2].nonzero().tolist() == [[1, 1]]
    assert mask[0, 0, :5, :10].all()
    assert mask[0, 0, 5:].all()
    assert model._attention_mask(masks, torch.tensor(0.0)).all()


def test_eomt__a_share_of_the_queries_is_masked_drawn_anew_for_every_image() -> None:
    model = eomt(num_queries=200)
    masks = torch.full((50, 200, 16, 16), -1.0)
    open_BQ = model._attention_mask(masks, torch.tensor(0.3))[:, 0, :200, 205:].any(dim=2)
    assert open_BQ.float().mean().item() == pytest.approx(0.7, abs=0.02)
    assert not torch.equal(open_BQ[0], open_BQ[1])


def test_eomt__in_evaluation_masks_go_by_the_larger_half_of_the_probability() -> None:
    model = eomt(masked_evaluation=True).eval()
    masks = torch.full((2, 5, 16, 16), -1.0)
    for probability, masked in [(0.0, False), (0.49, False), (0.5, True), (1.0, True)]:
        mask = model._attention_mask(masks, torch.tensor(probability))
        assert bool(mask[:, 0, :5, 10:].any()) is not masked


def test_eomt__annealed_training_equals_evaluation_and_masked_does_not() -> None:
    model = eomt()
    with torch.no_grad():
        evaluated = model.eval()(images()).logits
        masked = model.train()(images()).logits
        model.set_progress(1.0)
        annealed = model(images()).logits
    torch.testing.assert_close(annealed, evaluated)
    assert (masked - evaluated).abs().amax() > 1e-4


@pytest.mark.parametrize(
    ("blocks", "starts", "steps"),
    [
        (4, (6520, 13040, 19560, 26080), 39153),  # ADE20K, semantic, ViT-L
        (3, (14782, 36955, 59128), 88704),  # COCO, panoptic, ViT-B
    ],
)
def test_set_progress__anneals_block_by_block_as_the_official_configurations(
    blocks: int, starts: tuple[int, ...], steps: int
) -> None:
    model = eomt(query_blocks=blocks)
    where = model.attn_mask_probs.data_ptr()
    for number, start in enumerate(starts):
        length = starts[0]
        found = []
        for step in (0, 0.99 * start, start + length / 2, start + 1.01 * length, steps):
            model.set_progress(step / steps)
            found.append(model.attn_mask_probs[number].item())
        assert found == pytest.approx([1.0, 1.0, 0.5**0.9, 0.0, 0.0], abs=5e-3)
    assert model.attn_mask_probs.data_ptr() == where
    assert "attn_mask_probs" in model.state_dict()


def test_set_progress__of_a_single_query_block() -> None:
    model = eomt(query_blocks=1)
    model.set_progress(0.25)
    assert model.attn_mask_probs.tolist() == pytest.approx([0.5**0.9])


def test_eomt__its_average_evaluates_as_it_does() -> None:
    model = eomt(masked_evaluation=True)
    average = AveragedModel(model, decay=0.0)
    model.set_progress(0.5)
    average.update(1)
    averaged = cast(EoMT, average.model)
    assert averaged.attn_mask_probs.tolist() == model.attn_mask_probs.tolist() == [0.0, 1.0]
    slow = AveragedModel(eomt(), decay=0.9)
    assert slow.model(images()).logits.isfinite().all()
    with torch.no_grad():
        torch.testing.assert_close(averaged(images()).logits, model.eval()(images()).logits)


def test_eomt__draws_from_the_global_generator() -> None:
    model = eomt()
    model.attn_mask_probs.fill_(0.5)

    def logits(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return cast(Tensor, model(images()).logits)

    assert torch.equal(logits(1), logits(1))
    assert not torch.equal(logits(1), logits(2))


def test_eomt__void_outputs_are_left_out_of_the_queries_too() -> None:
    model = eomt(num_classes=2, void_outputs=[1])
    prediction = model(images())
    assert prediction.logits.shape[1] == 2
    whole = model.segments(model.normalize(images()))[0]
    torch.testing.assert_close(prediction.queries[0].class_logits, whole.class_logits[..., [0, 2, 3]])


def test_eomt__learns() -> None:
    """Fifteen steps on three images of two colours more than halve the loss, and the classes come out."""
    model = eomt(num_classes=2, num_queries=8)
    target = torch.zeros(3, 64, 64, dtype=torch.uint8)
    target[0, :32], target[1, :, 16:], target[2, 16:48, 16:48] = 1, 1, 1
    image = torch.where(target.bool(), 220, 30).unsqueeze(1).expand(-1, 3, -1, -1).to(torch.uint8)
    combined = CombinedLoss([WeightedLoss("cross_entropy", 1.0, cross_entropy)])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses: list[float] = []
    for step in range(15):
        model.set_progress(step / 15)
        loss, parts = combined(model(image), target)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
        assert list(parts) == ["masks1", "masks2", "masks3"]
    assert losses[-1] < 0.5 * losses[0]
    with torch.no_grad():
        found = model.eval()(image).full_size().argmax(dim=1)
    assert (found == target).float().mean() > 0.9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_queries": 0}, "num_queries = 0: give at least 1"),
        ({"query_blocks": 5}, "query_blocks = 5: the encoder has 4 blocks; give 1..4"),
        ({"query_blocks": 0}, "query_blocks = 0"),
        (
            {"encoder_options": TINY | {"patch_size": 18}},
            "Patches of 18 x 18 pixels cannot be halved 2 times",
        ),
        ({"encoder": "resnet18"}, "no plain vision transformer"),
    ],
)
def test_eomt__refuses(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        eomt(**options)
