"""The contract that every architecture keeps.

A test module subclasses `ModelContract` once per architecture (with a small encoder, so that it is quick) and
gets all of it. Nothing here knows which architecture it looks at.
"""

import re
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor
from torch.fx.experimental import _config

from terrazzo.core.errors import RequestError
from terrazzo.core.prediction import Prediction, logits_size
from terrazzo.losses.combined import CombinedLoss, WeightedLoss
from terrazzo.losses.pixel import cross_entropy
from terrazzo.models import MODELS, build_model
from terrazzo.models.base import SegmentationModel
from terrazzo.models.pixels import IMAGENET_MEAN, crop

ODD_SIZES = [(97, 131), (33, 33)]
SEED = 0
STEPS = 25
"""Of the short training."""


def images(batch: int, channels: int, *size: int) -> Tensor:
    """Return random uint8 images, or volumes."""
    generator = torch.Generator().manual_seed(SEED)
    return torch.randint(256, (batch, channels, *size), generator=generator, dtype=torch.uint8)


@dataclass(frozen=True)
class Published:
    """The network at the size of its paper: our parameter count beside the published one."""

    arguments: dict[str, Any]
    """For build_model."""

    ours: int
    """Pinned exactly."""

    millions: float | None
    """As published; None where the paper gives none."""

    source: str
    """Where it is published: "table 5", "the official repository"."""

    reason: str = ""
    """Why the counts differ; needed from 2 % on."""


class ModelContract:
    """Subclass it, name it Test..., and say which architecture."""

    name: ClassVar[str]
    """In MODELS."""

    encoder: ClassVar[str | None] = None
    """A small one."""

    options: ClassVar[dict[str, Any]] = {}
    """Of the architecture."""

    stride: ClassVar[int]
    """Of its logits."""

    parameters: ClassVar[int]
    """With three channels and four classes; pinned, so that a change of the network is seen."""

    num_classes: ClassVar[int] = 4

    published: ClassVar[Published | None] = None
    """At the size of the paper."""

    needs_two_images: ClassVar[bool] = False
    """Batch norm after a global average forbids to train on a batch of one."""

    learning_rate: ClassVar[float] = 3e-3
    """Of the short training."""

    sides: ClassVar[int] = 2
    """Dimensions of an image; 3 for a network that takes volumes."""

    def size(self, height: int, width: int) -> tuple[int, ...]:
        """Return a size to test at; that of a volume is small, for its convolutions are dear."""
        return (height, width) if self.sides == 2 else (33, 33 + height % 16, 33 + width % 16)

    bfloat16_outliers: ClassVar[float] = 0.0
    """Share of logits that bfloat16 may change by more than a tenth: where unpooling puts features in another
    place because two maxima round to the same."""

    def build(self, in_channels: int = 3, seed: int = SEED) -> SegmentationModel:
        torch.manual_seed(seed)
        return build_model(
            self.name,
            num_classes=self.num_classes,
            in_channels=in_channels,
            encoder=self.encoder,
            **self.options,
        )

    def test_is_in_models(self) -> None:
        model = self.build()
        assert self.name in MODELS
        assert (model.num_classes, model.in_channels, model.stride) == (self.num_classes, 3, self.stride)

    def test_parameter_count_is_pinned(self) -> None:
        assert sum(p.numel() for p in self.build().parameters()) == self.parameters

    def test_parameter_count_is_that_of_the_paper(self) -> None:
        if self.published is None:
            return
        paper = self.published
        with torch.device("meta"):
            model = build_model(self.name, **paper.arguments)
        count = sum(p.numel() for p in model.parameters())
        assert count == paper.ours
        if paper.millions is not None and not paper.reason:
            assert count / 1e6 == pytest.approx(paper.millions, rel=0.02)

    @pytest.mark.parametrize("channels", [1, 3, 5])
    @pytest.mark.parametrize("sides", ODD_SIZES)
    def test_forward_and_backward_at_any_size_and_channels(
        self, channels: int, sides: tuple[int, int]
    ) -> None:
        model = self.build(channels)
        size = self.size(*sides)
        prediction = model(images(2, channels, *size))
        assert isinstance(prediction, Prediction)
        assert (prediction.stride, prediction.size) == (self.stride, size)
        assert prediction.logits.shape == (2, self.num_classes, *logits_size(size, self.stride))
        assert prediction.full_size().shape == (2, self.num_classes, *size)
        target = (torch.arange(size[-1]) // 16 % self.num_classes).to(torch.uint8).expand(2, *size)
        loss, _ = CombinedLoss([WeightedLoss("cross_entropy", 1.0, cross_entropy)])(prediction, target)
        torch.autograd.backward(loss)
        missing = [name for name, p in model.named_parameters() if p.grad is None]
        assert not missing
        assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)

    def test_logits_are_at_the_stride_before_they_are_cropped(self) -> None:
        model = self.build().eval()
        size = self.size(2 * model.multiple, 3 * model.multiple)
        padded = tuple(-(-side // model.multiple) * model.multiple for side in size)
        with torch.no_grad():
            outputs = model.logits(torch.zeros(1, 3, *padded))
        logits = outputs if isinstance(outputs, Tensor) else outputs.logits
        assert logits.shape == (1, self.num_classes, *(side // self.stride for side in padded))

    def test_training_lowers_the_loss(self) -> None:
        model = self.build()
        size = self.size(64, 96)
        target = (torch.arange(size[-1]) // 24 % self.num_classes).to(torch.uint8).expand(2, *size)
        image = (60 * target.unsqueeze(1) + images(2, 3, *size) // 16).to(torch.uint8)
        loss_function = CombinedLoss([WeightedLoss("cross_entropy", 1.0, cross_entropy)])
        optimizer = torch.optim.AdamW(model.parameters(), lr=self.learning_rate)
        losses = []
        for _ in range(STEPS):
            loss, _ = loss_function(model(image), target)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            losses.append(loss.item())
        assert sum(losses[-3:]) / 3 < 0.85 * losses[0], losses

    def test_one_image_can_be_trained_on_or_is_refused_clearly(self) -> None:
        model = self.build()
        if self.needs_two_images:
            with pytest.raises(RequestError, match="normalises a global average"):
                model(images(1, 3, *self.size(33, 33)))
        else:
            assert torch.isfinite(model(images(1, 3, *self.size(33, 33))).logits).all()

    def test_first_loss_is_near_that_of_a_guess(self) -> None:
        model = self.build()
        size = self.size(64, 64)
        target = torch.zeros(2, *size, dtype=torch.uint8)
        loss = cross_entropy(model(images(2, 3, *size)).logits, target, stride=self.stride)
        assert loss.item() == pytest.approx(np.log(self.num_classes), rel=0.3)

    def test_auxiliary_outputs_are_for_training_only(self) -> None:
        model = self.build()
        size = self.size(64, 96)
        for output in model(images(2, 3, *size)).auxiliary:
            assert output.logits.shape == (2, self.num_classes, *logits_size(size, output.stride))
            assert output.weight > 0
        assert model.eval()(images(2, 3, *size)).auxiliary == ()

    def test_evaluating_twice_gives_the_same_bits(self) -> None:
        model = self.build().eval()
        image = images(2, 3, *self.size(97, 131))
        with torch.no_grad():
            assert torch.equal(model(image).logits, model(image).logits)

    def test_the_seed_decides_the_weights(self) -> None:
        one, same, other = (self.build(seed=seed).state_dict() for seed in (1, 1, 2))
        assert all(torch.equal(one[key], same[key]) for key in one)
        assert any(not torch.equal(one[key], other[key]) for key in one)

    def test_rebuilding_and_loading_gives_the_same_network(self) -> None:
        model = self.build().eval()
        assert model.architecture == self.name
        rebuilt = build_model(model.architecture, **model.arguments).eval()
        rebuilt.load_state_dict(load(save(model.state_dict())))
        image = images(1, 3, *self.size(64, 96))
        with torch.no_grad():
            assert torch.equal(model(image).logits, rebuilt(image).logits)
        assert rebuilt.arguments == model.arguments

    def test_dtypes_of_the_image_agree(self) -> None:
        model = self.build().eval()
        image = images(1, 3, *self.size(64, 64))
        with torch.no_grad():
            expected = model(image).logits
            for dtype in (torch.uint16, torch.float32, torch.float64):
                assert torch.equal(model(image.to(dtype)).logits, expected)

    def test_padding_with_the_mean_changes_nothing_inside(self) -> None:
        model = self.build().eval()
        size = self.size(97, 131)
        image = images(1, 3, *size).float()
        multiples = [-(-side // model.multiple) * model.multiple for side in size]
        mean = torch.tensor(IMAGENET_MEAN).view(1, 3, *(1 for _ in size))
        padded = mean.repeat(1, 1, *multiples)
        crop(padded, size).copy_(image)
        with torch.no_grad():
            whole = model(padded)
            inside = model(image).logits
        torch.testing.assert_close(crop(whole.logits, inside.shape[2:]), inside, atol=1e-5, rtol=1e-5)

    def test_an_image_does_not_depend_on_its_batch(self) -> None:
        model = self.build().eval()
        batch = images(3, 3, *self.size(64, 64))
        with torch.no_grad():
            together, alone = model(batch).logits[1:2], model(batch[1:2]).logits
        scale = max(1.0, alone.abs().amax().item())  # untrained norms may leave large values
        torch.testing.assert_close(together, alone, atol=1e-5 * scale, rtol=1e-5)

    def test_works_in_bfloat16_and_channels_last(self) -> None:
        channels_last = torch.channels_last if self.sides == 2 else torch.channels_last_3d
        model = self.build().eval().to(memory_format=channels_last)
        image = images(2, 3, *self.size(64, 64))
        with torch.no_grad():
            expected = model(image).logits
            with torch.autocast("cpu", torch.bfloat16):
                narrow = model(image.contiguous(memory_format=channels_last)).logits
        assert narrow.dtype == torch.bfloat16
        # Deep networks multiply the roundings of their layers: compared by their spread, not by the worst.
        errors = (narrow.float() - expected).abs().flatten().sort().values
        kept = errors[: round(len(errors) * (1 - self.bfloat16_outliers))]
        assert kept.square().mean().sqrt() < 0.1 * expected.std()

    def test_exports_for_any_batch_and_size(self) -> None:
        model = self.build().eval()
        shapes = (dict.fromkeys([0, *range(2, 2 + self.sides)], torch.export.Dim.DYNAMIC),)
        image = images(2, 3, *self.size(97, 131))
        with _config.patch(backed_size_oblivious=model.one_pixel_maps):  # type: ignore[attr-defined]
            program = torch.export.export(model, (image,), dynamic_shapes=shapes).module()
        for batch, height, width in [(2, 97, 131), (1, 64, 64), (3, 50, 203), (1, 190, 330)]:
            image = images(batch, 3, *self.size(height, width))
            with torch.no_grad():
                exported, expected = program(image), model(image)
            assert (exported.stride, exported.size) == (expected.stride, expected.size)
            torch.testing.assert_close(exported.logits, expected.logits, atol=1e-5, rtol=1e-5)

    def test_refuses_other_channels_and_tiny_images(self) -> None:
        model = self.build()
        given, wanted = images(2, 5, *self.size(64, 64)), "D, H, W"[-3 * self.sides + 2 :]
        sentence = f"images are {tuple(given.shape)}; this model takes (B, 3, {wanted})"
        with pytest.raises(RequestError, match=re.escape(sentence)):
            model(given)
        tiny = (*self.size(64, 64)[:-1], 32)
        with pytest.raises(RequestError, match=f"{tiny[-2]} x 32 pixels; models take sides from 33"):
            model(images(2, 3, *tiny))

    def test_refuses_an_unknown_option(self) -> None:
        with pytest.raises(RequestError, match=f"model '{self.name}' has no option 'wings'"):
            build_model(self.name, num_classes=2, wings=2)
