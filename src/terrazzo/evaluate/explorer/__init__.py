"""The error explorer: a folder with one page that sorts, filters and shows every image, from the disk."""

from terrazzo.evaluate.explorer.contender import Contender
from terrazzo.evaluate.explorer.write import write_explorer

__all__ = ["Contender", "write_explorer"]
