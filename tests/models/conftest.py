"""Randomness does not depend on which tests ran before; failed asserts of the contract explain themselves."""

import pytest
import torch

# the contract is no test module itself
pytest.register_assert_rewrite("tests.models.contract")


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
