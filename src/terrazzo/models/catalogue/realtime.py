"""The real-time networks: made for few multiply-adds and short latency."""

from typing import TYPE_CHECKING

from terrazzo.models.catalogue.entry import Architecture

if TYPE_CHECKING:
    pass

REAL_TIME: dict[str, Architecture] = {}
