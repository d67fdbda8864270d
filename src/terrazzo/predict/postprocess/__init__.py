"""What is done to labels after the network: clusters dropped, holes filled, outlines smoothed.

Reading order: `step` (what a step is given), one file per kind of step, `chain` (steps in order), `spec`
(a line of text or a YAML list becomes a chain), `area` and `arguments` (what stands behind the `=`).
"""

from terrazzo.predict.postprocess.chain import Postprocess
from terrazzo.predict.postprocess.spec import parse_postprocess
from terrazzo.predict.postprocess.step import State, Step

__all__ = ["Postprocess", "State", "Step", "parse_postprocess"]
