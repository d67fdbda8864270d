"""The package is importable piecewise."""

import pytest

import terrazzo.kernels


@pytest.mark.parametrize("name", terrazzo.kernels.__all__)
def test_kernels__every_name_resolves(name: str) -> None:
    assert callable(getattr(terrazzo.kernels, name))


def test_kernels__an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'upsample'"):
        terrazzo.kernels.__getattr__("upsample")
