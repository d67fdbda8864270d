"""Several networks, or several random passes through one: their mean, and what they disagree about."""

from terrazzo.predict.members.dropout import monte_carlo
from terrazzo.predict.members.ensemble import Ensemble, ensemble_predictor, load_ensemble
from terrazzo.predict.members.uncertainty import uncertainty

__all__ = ["Ensemble", "ensemble_predictor", "load_ensemble", "monte_carlo", "uncertainty"]
