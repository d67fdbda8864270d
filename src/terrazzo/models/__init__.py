"""Networks: raw images in, a `Prediction` at the network's own output stride out.

`MODELS` names what there is and costs no torch; `build_model` makes one. Adding an architecture = one new
file + one entry in `catalogue/` + one `ModelContract` class in its test.
"""

from terrazzo.models.build import build_model
from terrazzo.models.catalogue import MODELS, Architecture

__all__ = ["MODELS", "Architecture", "build_model"]
