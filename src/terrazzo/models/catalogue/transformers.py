"""The transformers: global attention, in the encoder or in the decoder."""

from typing import TYPE_CHECKING

from terrazzo.models.catalogue.entry import Architecture

if TYPE_CHECKING:
    pass

TRANSFORMERS: dict[str, Architecture] = {}
