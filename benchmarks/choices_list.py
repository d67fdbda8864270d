"""What `benchmarks.choices` compares: the recipe `recipes/camvid/quarter.yaml`, and what differs from it.

Every choice differs from the recipe in one thing, written as anybody would override it on the command line.
Nothing here was chosen by a score: learning rates are those published for networks trained from random
weights, or what `terrazzo find-lr` suggests; weights of parts are 1, or, where a loss is counted in pixels,
the power of ten that makes it about as large as the cross-entropy at the first step.
"""

from dataclasses import dataclass
from typing import Literal

Table = Literal["losses", "weights", "optimisers", "schedules", "seeds"]

BASE = "the recipe"


@dataclass(frozen=True)
class Choice:
    """One run."""

    name: str
    """Unique; what the table calls it."""

    table: Table
    """Where its row goes; the recipe's own is in every table."""

    overrides: tuple[str, ...] = ()
    """Items `section.key=value`, as `terrazzo train` takes them."""

    source: str = ""
    """Where the numbers are from."""

    find_lr: bool = False
    """Whether the learning rate is what `terrazzo find-lr` suggests after 100 steps."""


def _loss(name: str, *parts: str, source: str = "", weights: str = "") -> Choice:
    """Return a choice of loss; a part is `kind`, or `kind, key: value` in YAML's words."""
    listed = ", ".join(f"{{kind: {part}}}" for part in parts)
    rule = (f"loss.class_weights={weights}",) if weights else ()
    table: Table = "weights" if weights else "losses"
    return Choice(name, table, (f"loss.parts=[{listed}]", *rule), source)


AS_LARGE = "weight: about as large as cross-entropy at the first step"

LOSSES = (
    _loss("cross-entropy, smoothed labels", "cross_entropy, options: {label_smoothing: 0.1}",
          source="Szegedy et al. 2016"),
    _loss("focal", "focal", source="gamma 2, Lin et al. 2017"),
    _loss("OHEM, share", "ohem, options: {keep: 0.25, until: 0.5}",
          source="from all pixels to a quarter over half of the run"),
    _loss("OHEM, threshold", "ohem, options: {threshold: 0.7, minimum: 5400}",
          source="0.7 and 1/16 of the pixels, as is common for street scenes"),
    _loss("multi-scale", "multi_scale", source="labels at the logits' scale, Zhao et al. 2018"),
    _loss("Dice", "dice"),
    _loss("cross-entropy + Dice", "cross_entropy", "dice"),
    _loss("Jaccard", "jaccard"),
    _loss("Tversky", "tversky", source="0.3 and 0.7, Salehi et al. 2017"),
    _loss("focal Tversky", "focal_tversky", source="gamma 4/3, Abraham and Khan 2019"),
    _loss("Lovasz-softmax", "lovasz_softmax"),
    _loss("cross-entropy + Lovasz-softmax", "cross_entropy", "lovasz_softmax"),
    _loss("MCC", "mcc"),
    _loss("cross-entropy + boundary", "cross_entropy", "boundary", source=AS_LARGE),
    _loss("cross-entropy + Hausdorff", "cross_entropy", "hausdorff, weight: 0.1", source=AS_LARGE),
    _loss("binary cross-entropy", "bce", source="every class against the rest"),
    _loss("binary cross-entropy + Dice", "bce_dice", source="every class against the rest"),
    _loss("Lovasz-hinge", "lovasz_hinge", source="every class against the rest"),
)  # fmt: skip

WEIGHTS = tuple(
    _loss(f"cross-entropy, {rule}", "cross_entropy", weights=rule)
    for rule in ("sqrt", "median", "enet", "effective", "inverse")
)

_SGD = ("optimizer.kind=sgd", "optimizer.lr=0.1", "optimizer.nesterov=false", "optimizer.weight_decay=1e-4")
_ADAM = ("optimizer.kind=adam", "optimizer.lr=5e-4", "optimizer.weight_decay=2e-4")
_RMSPROP = (
    "optimizer.kind=rmsprop", "optimizer.lr=1e-3", "optimizer.momentum=0", "optimizer.weight_decay=1e-4",
)  # fmt: skip
_LION = ("optimizer.kind=lion", "optimizer.lr=3e-4", "optimizer.weight_decay=0.03")
_MUON = ("optimizer.kind=muon", "optimizer.lr=1e-3")

PUBLISHED = (
    Choice("SGD, momentum 0.9", "optimisers", _SGD, "He et al. 2016, ResNet, section 3.4"),
    Choice("Adam", "optimisers", _ADAM, "Paszke et al. 2016, ENet, section 5.2, on CamVid"),
    Choice("RMSprop", "optimisers", _RMSPROP, "Jegou et al. 2017, FC-DenseNet, section 4.1, on CamVid"),
    Choice(
        "Lion", "optimisers", _LION, "a third of AdamW's rate, three times its decay; Chen et al. 2023, 5"
    ),
    Choice("Muon", "optimisers", _MUON, "AdamW's rate and decay; Liu et al. 2025, section 2.2"),
)

FOUND = tuple(
    Choice(f"{choice.name}, rate found", "optimisers", choice.overrides, "`terrazzo find-lr`", find_lr=True)
    for choice in (Choice("AdamW", "optimisers"), *PUBLISHED)
)

SCHEDULES = tuple(
    Choice(name, "schedules", items, source)
    for name, items, source in (
        ("poly, no warm-up", ("schedule.warmup=0",), ""),
        ("poly, slow start", ("schedule.warmup_kind=slow",), "a hundredth of the rate for a twentieth"),
        ("cosine", ("schedule.kind=cosine",), "Loshchilov and Hutter 2017"),
        ("one-cycle", ("schedule.kind=one_cycle",), "Smith and Topin 2018"),
        ("step", ("schedule.kind=step",), "to a tenth at 60, 80 and 90%"),
        ("exponential", ("schedule.kind=exponential",), "to a tenth at the end"),
        ("constant", ("schedule.kind=constant",), ""),
        (
            "plateau",
            ("schedule.kind=plateau", "schedule.patience=1", "train.validations=8"),
            "to a tenth after each of 8 validations that is no better",
        ),
    )
)

SEEDS = tuple(Choice(f"seed {seed}", "seeds", (f"train.seed={seed}",)) for seed in (1, 2))

CHOICES: dict[str, Choice] = {
    choice.name: choice
    for choice in (Choice(BASE, "seeds"), *SEEDS, *LOSSES, *WEIGHTS, *PUBLISHED, *FOUND, *SCHEDULES)
}
"""All of them by name, in the order in which they are run."""
