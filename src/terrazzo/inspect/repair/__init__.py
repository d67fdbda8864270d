"""`--fix`: a repaired copy of the data, or a corrected dataset YAML. The original is never touched."""

from terrazzo.inspect.repair.copy import Repair, repair

__all__ = ["Repair", "repair"]
