"""Every architecture is tested against the contract, in the test module of its own name."""

from importlib import import_module
from pathlib import Path

from terrazzo.models import MODELS
from tests.models.contract import ModelContract


def test_contract__covers_every_model() -> None:
    for file in sorted(Path(__file__).parent.glob("test_*.py")):
        import_module(f"tests.models.{file.stem}")
    covered = {contract.name for contract in ModelContract.__subclasses__()}
    assert covered == set(MODELS)
