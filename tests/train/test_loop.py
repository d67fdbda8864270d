"""The loop: exact accumulation, seeds per step, and a loss that is no number."""

from collections.abc import Iterator
from itertools import cycle

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn import functional as F

from terrazzo.core.errors import TerrazzoError
from terrazzo.core.prediction import Prediction
from terrazzo.core.sample import Batch
from terrazzo.train.average import AveragedModel
from terrazzo.train.loop import Hooks, State, StepFacts, check_finite, fit, new_counters


class PixelModel(nn.Module):
    """One 1 x 1 convolution, with dropout where asked."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.classify = nn.Conv2d(3, 4, 1)
        self.drop = nn.Dropout(dropout)

    def forward(self, image: Tensor) -> Prediction:
        return Prediction(
            self.classify(self.drop(image.float() / 255)), 1, (image.shape[-2], image.shape[-1])
        )


def loss_function(prediction: Prediction, target: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    loss = F.cross_entropy(prediction.logits, target.long(), ignore_index=255)
    return loss, {"ce": loss}


def new_state(dropout: float = 0.0) -> State:
    torch.manual_seed(0)
    model = PixelModel(dropout)
    optimizer = torch.optim.SGD([{"params": list(model.parameters()), "base_lr": 0.5, "lr": 0.5}], lr=0.5)
    average = AveragedModel(model, 0.0)
    return State(model=model, network=model, average=average, optimizer=optimizer, **new_counters())


def uneven_batches() -> list[Batch]:
    """Two micro-batches, the second of which is nearly all void."""
    torch.manual_seed(1)
    images = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    target = torch.randint(0, 4, (4, 8, 8), dtype=torch.uint8)
    target[2:, 0], target[2:, 1:] = 3, 255
    return [Batch(image=images[:2], target=target[:2]), Batch(image=images[2:], target=target[2:])]


def run(
    state: State, batches: Iterator[Batch], *, steps: int, accumulate: int, seed: int = 0
) -> list[StepFacts]:
    seen: list[StepFacts] = []
    hooks = Hooks(
        lr_factor=lambda s: 1.0,
        done=lambda s: s["step"] >= steps,
        after_step=lambda s, facts: seen.append(facts),
    )
    fit(
        Accelerator(cpu=True),
        state,
        batches,
        loss_function,
        hooks,
        accumulate=accumulate,
        clip=0.0,
        ignore_index=255,
        seed=seed,
    )
    return seen


def test_fit__accumulation_equals_one_large_batch_with_uneven_void() -> None:
    parts = uneven_batches()
    whole = Batch(
        image=torch.cat([p["image"] for p in parts]), target=torch.cat([p["target"] for p in parts])
    )
    large, small = new_state(), new_state()
    (one,) = run(large, cycle([whole]), steps=1, accumulate=1)
    (two,) = run(small, cycle(parts), steps=1, accumulate=2)
    torch.testing.assert_close(large["model"].state_dict(), small["model"].state_dict())
    torch.testing.assert_close(one.loss, two.loss)
    torch.testing.assert_close(two.parts["ce"], two.loss)
    losses = [loss_function(new_state()["model"](p["image"]), p["target"])[0].item() for p in parts]
    assert abs(sum(losses) / 2 - float(one.loss)) > 1e-3  # the data can tell the two apart


def test_fit__counts_steps_micro_batches_and_samples() -> None:
    state = new_state()
    facts = run(state, cycle(uneven_batches()), steps=3, accumulate=2)
    assert (state["step"], state["micro_batches"], state["position"]) == (3, 6, 12)
    assert [f.images for f in facts] == [4, 4, 4]
    assert state["seconds"] > 0


def test_fit__says_how_far_it_is_before_every_step() -> None:
    def first_weight(state: State) -> float:
        return state["model"].get_parameter("classify.weight")[0, 0, 0, 0].item()

    state, seen = new_state(), [torch.zeros(0)]
    hooks = Hooks(
        lr_factor=lambda s: 1.0,
        done=lambda s: s["step"] >= 2,
        after_step=lambda s, facts: None,
        before_step=lambda s: seen.append(torch.tensor([s["step"], first_weight(s)])),
    )
    weight = first_weight(state)
    fit(
        Accelerator(cpu=True), state, cycle(uneven_batches()), loss_function, hooks,
        accumulate=2, clip=1.0, ignore_index=255, seed=0,
    )  # fmt: skip
    assert [int(entry[0]) for entry in seen[1:]] == [0, 1]
    assert seen[1][1] == weight != seen[2][1]


def test_fit__dropout_depends_on_seed_and_step_not_on_what_was_drawn_before() -> None:
    def final(seed: int, disturb: bool) -> dict[str, Tensor]:
        state = new_state(dropout=0.5)
        run(state, cycle(uneven_batches()[:1]), steps=1, accumulate=1, seed=seed)
        if disturb:
            torch.rand(100)
        run(state, cycle(uneven_batches()[:1]), steps=2, accumulate=1, seed=seed)
        return state["model"].state_dict()

    torch.testing.assert_close(final(3, False), final(3, True), rtol=0, atol=0)
    assert not torch.equal(final(3, False)["classify.weight"], final(4, False)["classify.weight"])


def test_fit__a_batch_of_nothing_but_void_changes_nothing() -> None:
    state = new_state()
    before = {k: v.clone() for k, v in state["model"].state_dict().items()}
    batch = uneven_batches()[0]
    void = Batch(image=batch["image"], target=torch.full_like(batch["target"], 255))

    def safe_loss(prediction: Prediction, target: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return prediction.logits.sum() * 0.0, {}

    hooks = Hooks(lambda s: 1.0, lambda s: s["step"] >= 1, lambda s, f: None)
    fit(
        Accelerator(cpu=True), state, cycle([void]), safe_loss, hooks,
        accumulate=1, clip=1.0, ignore_index=255, seed=0,
    )  # fmt: skip
    torch.testing.assert_close(state["model"].state_dict(), before, rtol=0, atol=0)


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_check_finite__says_step_rate_and_what_to_try(loss: float) -> None:
    with pytest.raises(TerrazzoError, match=r"at step 7 \(learning rate 0\.01\).*Lower optimizer\.lr"):
        check_finite(loss, 7, 0.01)
    check_finite(1.0, 7, 0.01)
