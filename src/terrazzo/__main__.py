"""`python -m terrazzo` is `terrazzo`."""

from terrazzo.cli.main import run

run()
