"""Let pytest explain failed asserts in the contract, which is no test module itself."""

import pytest

pytest.register_assert_rewrite("tests.models.contract")
