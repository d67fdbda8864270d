"""Side-by-side measurements against other libraries; each script writes JSON into benchmarks/results."""
