"""Many machines: the same predictor as a Ray Data map over a local or a remote cluster.

driver: find images, plan outputs -> tasks -> Ray Data -> actors: predict, write -> rows -> driver: manifest

Pixels never travel: actors read images and write masks themselves; tasks and rows are a few hundred bytes.
"""

from terrazzo.predict.ray_engine.run import RayResult, predict_with_ray

__all__ = ["RayResult", "predict_with_ray"]
