"""Inspecting data before any training: statistics, the doctor, repairs, and suspected label errors.

Read `run` first (from data to report), then `survey` (every pair measured once) and `doctor` (what is wrong).
"""

from terrazzo.inspect.report import (
    ChannelFacts,
    ClassFacts,
    Finding,
    InspectReport,
    Recommendation,
    SizeFacts,
    SplitFacts,
    Suspect,
)
from terrazzo.inspect.run import inspect, report_of, take_survey
from terrazzo.inspect.sources import open_source

__all__ = [
    "ChannelFacts",
    "ClassFacts",
    "Finding",
    "InspectReport",
    "Recommendation",
    "SizeFacts",
    "SplitFacts",
    "Suspect",
    "inspect",
    "open_source",
    "report_of",
    "take_survey",
]
