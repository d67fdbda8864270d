"""What a study found, as plain data and as a page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from terrazzo.figures import render
from terrazzo.figures.affinity import Point, affinity_chart, study_scores
from terrazzo.metrics.scores import plain
from terrazzo.train.recipe import BUDGETS, Recipe
from terrazzo.train.study import Outcome, Score, best_first

TEMPLATES = Path(__file__).parent / "templates"

DEFINITIONS: Final = {
    "score": "mIoU on the clean validation split of a model trained by the policy, 95% bootstrap interval",
    "affinity": "mIoU of the model trained without augmentation on the augmented validation split, "
    "over its mIoU on the clean one",
    "diversity": "final training loss (mean of the last tenth of the steps), over that without augmentation",
}


def study_facts(outcomes: Sequence[Outcome], clean: Score, *, name: str) -> dict[str, Any]:
    """Return a study as plain data, best trial first.

    Args:
        outcomes: finished trials.
        clean: of the run without augmentation on this machine.
        name: of the study.
    """
    ranked = [_row(outcome) for outcome in best_first(outcomes)]
    return {
        "study": name,
        "definitions": DEFINITIONS,
        "clean": {key: plain(value) for key, value in vars(clean).items()},
        "best": ranked[0] if ranked else None,
        "trials": ranked,
    }


def write_study(
    path: Path, outcomes: Sequence[Outcome], clean: Score, *, title: str, recipe: Recipe, probability: float
) -> None:
    """Write the study as one self-contained HTML page."""
    ranked = best_first(outcomes)
    points = [_point(outcome) for outcome in ranked]
    page = render(
        TEMPLATES,
        "augment_study.html",
        title=title,
        outcomes=ranked,
        best=ranked[0] if ranked else None,
        verdict=verdict(ranked[0], clean) if ranked else "",
        clean=clean,
        probability=probability,
        budget=_budget(recipe),
        definitions=DEFINITIONS,
        scores=study_scores(points, (clean.miou, clean.low, clean.high)) if ranked else "",
        chart=affinity_chart(points) if ranked else "",
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(page, encoding="utf-8")
    temporary.replace(path)


def verdict(best: Outcome, clean: Score) -> str:
    """Say in a sentence what the best trial is worth."""
    gain = 100 * (best.score.miou - clean.miou)
    if gain <= 0:
        return "No policy scored above the run without augmentation at this budget."
    apart = best.score.low > clean.high
    how = (
        "their intervals do not overlap" if apart else "their intervals overlap: confirm it with longer runs"
    )
    return f"{best.policy.label} scores {gain:.1f} points above the run without augmentation; {how}."


def _row(outcome: Outcome) -> dict[str, Any]:
    return {
        "policy": outcome.policy.name,
        "strength": outcome.policy.strength,
        "miou": plain(outcome.score.miou),
        "miou_interval": [plain(outcome.score.low), plain(outcome.score.high)],
        "affinity": plain(outcome.affinity),
        "diversity": plain(outcome.diversity),
        "training_loss": plain(outcome.score.loss),
        "clean_miou": plain(outcome.clean.miou),
        "clean_training_loss": plain(outcome.clean.loss),
        "seconds": plain(outcome.score.seconds),
    }


def _point(outcome: Outcome) -> Point:
    score = outcome.score
    return Point(
        outcome.policy.name,
        outcome.policy.strength,
        score.miou,
        score.low,
        score.high,
        outcome.affinity,
        outcome.diversity,
    )


def _budget(recipe: Recipe) -> str:
    name = next(name for name in BUDGETS if getattr(recipe.train, name) is not None)
    return f"{getattr(recipe.train, name):g} {name}"
