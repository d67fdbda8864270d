"""Inspecting data before any training: statistics, the doctor, repairs, and suspected label errors."""
