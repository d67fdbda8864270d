"""Random weights and images of these tests do not depend on which tests ran before them in the same process."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
