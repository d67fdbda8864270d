"""Model folders and training state: written atomically, checked on reading, never unpickled blindly."""

from terrazzo.checkpoint.card import Card, CardCalibration
from terrazzo.checkpoint.load import load_model, read_card
from terrazzo.checkpoint.save import save_model
from terrazzo.checkpoint.state import LoadedState, load_state, save_state
from terrazzo.checkpoint.update import replace_card
from terrazzo.checkpoint.verify import find_folder, verify_folder
from terrazzo.checkpoint.write import write_folder

__all__ = [
    "Card",
    "CardCalibration",
    "LoadedState",
    "find_folder",
    "load_model",
    "load_state",
    "read_card",
    "replace_card",
    "save_model",
    "save_state",
    "verify_folder",
    "write_folder",
]
