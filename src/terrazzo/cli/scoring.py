"""What `terrazzo evaluate` scores with: here or on a cluster, with augmentation and without."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rich.console import Console

from terrazzo.cli.output import progress_bar

if TYPE_CHECKING:
    from terrazzo.datasets import SegmentationDataset
    from terrazzo.evaluate import Evaluation, Stopwatch
    from terrazzo.evaluate.run import Progress
    from terrazzo.predict import Predictor, PredictSettings


def metric_names(text: str, dataset: "SegmentationDataset") -> list[str]:
    """Return the meters that were asked for, by commas; `all` are those that make sense for the classes."""
    from terrazzo.metrics import fitting_meters

    names = [name.strip() for name in text.split(",") if name.strip()]
    return fitting_meters(dataset.labels) if names == ["all"] else names


@dataclass(frozen=True)
class Scorer:
    """Scores models on one dataset."""

    to: Console
    dataset: "SegmentationDataset"
    cluster: bool
    address: str | None = None
    workers: int | None = None

    def score(
        self,
        settings: "PredictSettings",
        watch: "Stopwatch",
        metrics: Sequence[str] = (),
        *,
        predictor: "Predictor | None" = None,
        saying: str = "scoring",
    ) -> "Evaluation":
        """Score a model.

        Args:
            settings: what the predictor is built from, here or by each worker.
            watch: takes the time of every prediction made here.
            metrics: what to measure beside the counts.
            predictor: the same, where it has been built here already.
            saying: stands before the progress bar.
        """
        from terrazzo.evaluate import evaluate
        from terrazzo.metrics import build_meters
        from terrazzo.predict import build_predictor

        with progress_bar(self.to, saying) as progress:
            if self.cluster:
                return self._on_ray(settings, metrics, progress)
            meters = build_meters(metrics, self.dataset.labels)
            scored = predictor or build_predictor(settings)
            return evaluate(scored, self.dataset, meters=meters, watch=watch, progress=progress)

    def _on_ray(
        self, settings: "PredictSettings", metrics: Sequence[str], progress: "Progress"
    ) -> "Evaluation":
        from terrazzo.evaluate.engine_ray import evaluate_with_ray

        return evaluate_with_ray(
            settings,
            self.dataset,
            address=self.address,
            workers=self.workers,
            meters=metrics,
            progress=progress,
        )

    def with_gain(
        self, settings: "PredictSettings", evaluation: "Evaluation", watch: "Stopwatch"
    ) -> "Evaluation":
        """Score the same model without test-time augmentation; add what that gains, and what it costs.

        Args:
            settings: with the augmentation.
            evaluation: with it.
            watch: of that evaluation.
        """
        from terrazzo.evaluate import Stopwatch, tta_gain

        plain, plain_watch = replace(settings, tta="none"), Stopwatch()
        without = self.score(plain, plain_watch, saying="scoring without --tta")
        seconds = None if self.cluster else (plain_watch.warm, watch.warm)
        gain = tta_gain(without, evaluation, seconds=seconds)
        return replace(evaluation, details={**evaluation.details, "tta": gain.to_json()})
