"""Pictures for people: label colours, overlays, error maps, charts, and the page that holds them.

Nothing here computes a score; matplotlib, Pillow and jinja2 are imported by the functions that need them.
"""

from terrazzo.figures.architecture import draw_architecture
from terrazzo.figures.charts import class_bars, confusion_heat_map, training_curves
from terrazzo.figures.embed import fit_mask, fit_photo, heat_uri, layer_uri, mask_uri, photo_uri
from terrazzo.figures.page import render, save
from terrazzo.figures.palette import distinguishable, page_labels
from terrazzo.figures.pictures import (
    LegendEntry,
    as_rgb,
    error_map,
    legend,
    mark_borders,
    number_regions,
    overlay,
)
from terrazzo.figures.reliability import reliability_diagram, risk_coverage_chart
from terrazzo.figures.sweep import sweep_chart

__all__ = [
    "LegendEntry",
    "as_rgb",
    "class_bars",
    "confusion_heat_map",
    "distinguishable",
    "draw_architecture",
    "error_map",
    "fit_mask",
    "fit_photo",
    "heat_uri",
    "layer_uri",
    "legend",
    "mark_borders",
    "mask_uri",
    "number_regions",
    "overlay",
    "page_labels",
    "photo_uri",
    "reliability_diagram",
    "render",
    "risk_coverage_chart",
    "save",
    "sweep_chart",
    "training_curves",
]
