"""GeoTIFFs of any size: read, predicted and written through windows."""

from terrazzo.predict.raster.run import PredictedRaster, predict_raster

__all__ = ["PredictedRaster", "predict_raster"]
