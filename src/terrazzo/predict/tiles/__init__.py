"""Images of any size: what they take, how they are cut, and how tiles are blended."""

from terrazzo.predict.tiles.auto import AutoTiled, Plan, plan
from terrazzo.predict.tiles.foretell import foretell
from terrazzo.predict.tiles.tiled import Tiled

__all__ = ["AutoTiled", "Plan", "Tiled", "foretell", "plan"]
