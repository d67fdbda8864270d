"""How good is an augmentation? Short runs over policies and strengths with one seed and budget.

Three numbers per policy, the last two as in Gontijo-Lopes et al., Tradeoffs in Data Augmentation, 2020
(arXiv 2002.08973), with mIoU in the place of accuracy:

    score       mIoU on the clean validation split of a model trained with the policy, with its interval
    affinity    mIoU on the augmented validation split over mIoU on the clean one, both of the model that
                was trained without augmentation: 1 is no shift of the data, less is further away
    diversity   final training loss with the policy over final training loss without: 1 is no harder

The final training loss is the mean over the last tenth of the steps. The model without augmentation is
trained once per machine with the same seed and budget, and kept in the study's folder.
"""

import json
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from terrazzo.checkpoint import load_model
from terrazzo.core.errors import TerrazzoError
from terrazzo.evaluate import evaluate
from terrazzo.train.augmented import Augmented, refuse_volumes
from terrazzo.train.build import build_data, build_parts
from terrazzo.train.journal import read_log
from terrazzo.train.policies import CLEAN, Policy, with_policy
from terrazzo.train.recipe import Recipe
from terrazzo.train.run import Result, train
from terrazzo.transforms import CropTransform, Pipeline

LAST = 0.1
"""Share of the steps whose mean loss is the final training loss."""

Note = Callable[[str], None]
"""Told what is going on, line by line."""


@dataclass(frozen=True)
class Score:
    """What one run showed."""

    miou: float
    low: float
    high: float
    """95 per cent interval of `miou`."""

    loss: float
    """Final training loss."""

    seconds: float


@dataclass(frozen=True)
class Outcome:
    """One trial of a study."""

    policy: Policy
    score: Score
    affinity: float
    diversity: float
    clean: Score
    """Of the model without augmentation, on the machine that ran this trial."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values; `from_json` gives the same back."""
        facts = asdict(self) | {"affinity": self.affinity, "diversity": self.diversity}
        return {key: _plain(value) for key, value in facts.items()}

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> "Outcome":
        """Rebuild from `to_json`."""
        policy, score, clean = facts["policy"], facts["score"], facts["clean"]
        return cls(
            Policy(policy["name"], policy["strength"]),
            Score(**{key: _number(value) for key, value in score.items()}),
            _number(facts["affinity"]),
            _number(facts["diversity"]),
            Score(**{key: _number(value) for key, value in clean.items()}),
        )


class Laboratory:
    """Trains and measures policies of one recipe; holds the model that was trained without augmentation."""

    def __init__(self, recipe: Recipe, folder: Path, *, probability: float, note: Note) -> None:
        """Train the clean model, or find it in the folder.

        Args:
            recipe: budget, network, data and seed of every run.
            folder: where the clean model is kept, and runs lie while they last.
            probability: how often a policy's operation happens.
            note: told what is going on.

        Raises:
            RequestError: the data are volumes.
            TerrazzoError: a run failed, or was interrupted.
        """
        refuse_volumes(build_data(recipe.data, recipe.data.validation_split))
        self.recipe, self.folder, self.probability, self.note = _short(recipe), folder, probability, note
        self.clean = self._clean()

    def measure(self, policy: Policy) -> Outcome:
        """Train by a policy, and measure it."""
        self.note(f"{policy.label}: training")
        recipe = with_policy(self.recipe, policy, probability=self.probability)
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix="trial-") as place:
            score = self._run(recipe, Path(place) / "run")
        affinity = _ratio(self._miou_on_augmented(recipe), self.clean.miou)
        return Outcome(policy, score, affinity, _ratio(score.loss, self.clean.loss), self.clean)

    def _clean(self) -> Score:
        """Return the score of the clean model; its facts are written last, so a half run is never taken."""
        place, facts = self.folder / "clean", self.folder / "clean.json"
        recipe = with_policy(self.recipe, Policy(CLEAN, 0.0), probability=0.0)
        given = recipe.model_dump(mode="json")
        if facts.exists():
            kept = json.loads(facts.read_text(encoding="utf-8"))
            if kept["recipe"] != given:
                raise TerrazzoError(
                    f"{self.folder} holds the clean model of another recipe or budget. "
                    "Give --work another folder, or the recipe as it was."
                )
            return Score(**{key: _number(value) for key, value in kept["score"].items()})
        self.note("without augmentation: training (once per machine)")
        score = self._run(recipe, place, resume=(place / "recipe.yaml").exists())
        text = json.dumps({"recipe": given, "score": _plain(asdict(score))}, indent=1)
        temporary = facts.with_suffix(".json.tmp")
        temporary.write_text(text + "\n", encoding="utf-8")
        temporary.replace(facts)
        return score

    def _run(self, recipe: Recipe, place: Path, *, resume: bool = False) -> Score:
        start = time.monotonic()
        result = train(recipe, place, resume=resume)
        if not result.finished:
            raise KeyboardInterrupt
        interval = result.evaluation.interval
        miou = float(result.evaluation.scores.miou)
        return Score(miou, interval.low, interval.high, _final_loss(result), time.monotonic() - start)

    def _miou_on_augmented(self, recipe: Recipe) -> float:
        """Score the clean model on the validation split under the recipe's transform."""
        parts = build_parts(recipe)
        data, transform = parts.validation_data, parts.stages[-1].transform
        assert isinstance(transform, CropTransform | Pipeline)
        model, _ = load_model(self.folder / "clean" / "best", device=str(parts.accelerator.device))
        return float(evaluate(model, Augmented(data, transform, recipe.train.seed)).scores.miou)


def best_first(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return outcomes from the highest score to the lowest."""
    return sorted(outcomes, key=lambda o: math.inf if math.isnan(o.score.miou) else -o.score.miou)


def _short(recipe: Recipe) -> Recipe:
    """Return the recipe with one validation, at the end, and every step's loss written down."""
    update = {"validations": 1, "log_every": 1, "patience": None, "save_every": None}
    return recipe.model_copy(update={"train": recipe.train.model_copy(update=update)})


def _final_loss(result: Result) -> float:
    losses = [row["loss"] for row in read_log(result.folder.log) if "loss" in row]
    last = losses[-max(1, round(LAST * len(losses))) :]
    return float(sum(last) / len(last))


def _ratio(over: float, under: float) -> float:
    return over / under if under > 0 else math.nan


def _plain(value: Any) -> Any:
    """Return JSON values: None for what is no number."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
