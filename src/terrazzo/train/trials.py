"""The trials of a study, kept by Optuna in a SQL database: several machines share one, and any may stop.

Every machine takes the next point that nobody holds, measures it, and writes it down. The database keeps what
the study is about; a machine that comes with another recipe or other policies is refused.
"""

import hashlib
import json
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from terrazzo.core.errors import MissingExtraError, RequestError
from terrazzo.train.policies import Policy
from terrazzo.train.recipe import Recipe
from terrazzo.train.study import Laboratory, Outcome

if TYPE_CHECKING:
    import optuna

Search = Literal["grid", "tpe"]

BEAT, GRACE = 60, 600
"""Seconds between signs of life of a running trial, and after which one without any is given up."""


@dataclass(frozen=True)
class Space:
    """What a study searches."""

    policies: tuple[str, ...]
    strengths: tuple[float, ...]
    probability: float
    search: Search
    """grid: every policy at every strength; tpe: strengths between the ends, where scores were best."""

    def points(self) -> list[dict[str, Any]]:
        """Return the grid, strength by strength from the middle one, so that all policies come up early."""
        middle = self.strengths[len(self.strengths) // 2]
        order = [middle, *(strength for strength in self.strengths if strength != middle)]
        return [{"policy": name, "strength": strength} for strength in order for name in self.policies]


def open_study(storage: str, name: str, recipe: Recipe, space: Space) -> "optuna.Study":
    """Open a study, or begin it.

    Args:
        storage: URL of a SQL database, for instance sqlite:///runs/study.db.
        name: of the study in it.
        recipe: what every run has in common.
        space: what is searched.

    Raises:
        MissingExtraError: Optuna is not installed.
        RequestError: the database cannot be opened, or holds this study of something else.
    """
    library = _optuna()
    with _quiet(library):
        kept = _storage(library, storage)
        study: optuna.Study = library.create_study(
            study_name=name,
            storage=kept,
            direction="maximize",
            load_if_exists=True,
            sampler=library.samplers.TPESampler(),  # machines must not all try the same
        )
    about = _about(recipe, space)
    before = study.user_attrs.get("about")
    if before is None:
        study.set_user_attr("about", about)
    elif before != about:
        changed = [key for key in about if before.get(key) != about[key]]
        raise RequestError(
            f"The study {name!r} in this database is about something else: {', '.join(changed)} differ. "
            "Go on with the same recipe and options, or give --name another name."
        )
    return study


def run_trials(study: "optuna.Study", laboratory: Laboratory, space: Space, trials: int) -> None:
    """Measure until the study holds so many finished trials, or every point of the grid.

    Args:
        study: from `open_study`.
        laboratory: measures a policy.
        space: what is searched.
        trials: in all, those of other machines and earlier sittings included.
    """
    library = _optuna()

    def objective(trial: "optuna.Trial") -> float:
        policy = _suggested(trial, space)
        if space.search == "grid" and _taken(study, trial):
            raise library.TrialPruned
        outcome = laboratory.measure(policy)
        trial.set_user_attr("outcome", outcome.to_json())
        if math.isnan(outcome.score.miou):
            raise library.TrialPruned
        return outcome.score.miou

    with _quiet(library):
        while len(outcomes(study)) < trials:
            if space.search == "grid":
                missing = [point for point in space.points() if not _held(study, point)]
                if not missing:
                    return
                study.enqueue_trial(missing[0])
            study.optimize(objective, n_trials=1)


def outcomes(study: "optuna.Study") -> list[Outcome]:
    """Return what the finished trials found, in their order."""
    return [
        Outcome.from_json(trial.user_attrs["outcome"])
        for trial in study.get_trials(deepcopy=False)
        if trial.state.is_finished() and "outcome" in trial.user_attrs
    ]


def _suggested(trial: "optuna.Trial", space: Space) -> Policy:
    name = trial.suggest_categorical("policy", space.policies)
    if space.search == "grid":
        return Policy(name, trial.suggest_categorical("strength", space.strengths))
    return Policy(name, trial.suggest_float("strength", min(space.strengths), max(space.strengths)))


def _held(study: "optuna.Study", point: dict[str, Any], *, before: int | None = None) -> bool:
    """Say whether a trial runs or has finished at a point; only those numbered below `before`, if given."""
    return any(
        trial.params == point and (trial.state.name == "RUNNING" or "outcome" in trial.user_attrs)
        for trial in study.get_trials(deepcopy=False)
        if before is None or trial.number < before
    )


def _taken(study: "optuna.Study", trial: "optuna.Trial") -> bool:
    """Say whether another machine took the same point a moment earlier."""
    return _held(study, dict(trial.params), before=trial.number)


def _about(recipe: Recipe, space: Space) -> dict[str, Any]:
    """Return what must be equal on all machines; places of files and numbers of workers may differ."""
    facts = recipe.model_dump(mode="json")
    facts["data"].pop("root")
    for key in ("workers", "device"):
        facts["train"].pop(key)
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    return {
        "recipe": digest,
        "policies": list(space.policies),
        "strengths": list(space.strengths),
        "probability": space.probability,
        "search": space.search,
    }


def _storage(optuna: Any, url: str) -> Any:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return optuna.storages.RDBStorage(url, heartbeat_interval=BEAT, grace_period=GRACE)
    except (SQLAlchemyError, ImportError, optuna.exceptions.OptunaError) as error:
        raise RequestError(
            f"The database of the study cannot be opened ({type(error).__name__}): {_hidden(url)!r}. "
            "Expected a URL such as sqlite:///runs/study.db, whose folder exists, or "
            "postgresql://user@host/name with its driver installed."
        ) from None


def _hidden(url: str) -> str:
    """Return a URL without its password."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url if "@" not in url else "..."


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise MissingExtraError(
            "A study of augmentation needs Optuna, which is not installed: pip install 'terrazzo[hpo]'"
        ) from None
    return optuna


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Keep Optuna's own lines off the screen; its signs of life are marked experimental."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        try:
            yield
        finally:
            optuna.logging.set_verbosity(level)
