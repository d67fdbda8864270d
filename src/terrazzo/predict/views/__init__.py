"""Test-time augmentation: which views of an image are predicted, and how the answers are merged."""

from terrazzo.predict.views.spec import TestTimeSpec, parse_tta
from terrazzo.predict.views.tta import TestTime, with_tta

__all__ = ["TestTime", "TestTimeSpec", "parse_tta", "with_tta"]
