"""What computes logits, and how it is made fast."""

from terrazzo.predict.backends.base import Backend
from terrazzo.predict.backends.torch_backend import TorchBackend

__all__ = ["Backend", "TorchBackend"]
