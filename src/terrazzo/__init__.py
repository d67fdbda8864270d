"""Terrazzo: from a folder of images and masks to a trained, honestly scored, deployed model.

Importing the package costs nothing: torch is imported by the rooms that need it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from terrazzo.predict.predictor import Predictor, load

__version__ = "0.1.0"
__all__ = ["Predictor", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """Resolve the public names of `terrazzo.predict` on first use, so that the import stays cheap."""
    if name in {"Predictor", "load"}:
        from terrazzo.predict import predictor

        return getattr(predictor, name)
    raise AttributeError(f"module 'terrazzo' has no attribute {name!r}")
