"""The little world behind the dataset `scenes`: a street in perspective, painted from far to near.

Read `world.py` first (what stands where), then the painters, then `canvas.py` (camera, light on surfaces).
World coordinates are metres: x to the right of the road's middle, y up, z away from the camera.
"""

from terrazzo.datasets.scenery.world import paint_scene

__all__ = ["paint_scene"]
