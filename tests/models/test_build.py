"""From names and options to networks, and the model section of a recipe."""

import json
import subprocess
import sys

import pytest

from terrazzo.core.config import validate
from terrazzo.core.errors import ConfigError, RequestError
from terrazzo.models import MODELS, build_model
from terrazzo.models.config import ModelConfig


def test_models__listing_the_names_needs_no_torch() -> None:
    code = "import sys; from terrazzo.models import MODELS; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert list(MODELS) == sorted(MODELS)


def test_build_model__suggests_the_closest_name_and_option() -> None:
    with pytest.raises(RequestError, match=r"Unknown model 'unet-tim': did you mean 'unet-timm'\?"):
        build_model("unet-tim", num_classes=2)
    with pytest.raises(ConfigError, match=r"model 'fpn' has no option 'droput': did you mean 'dropout'\?"):
        build_model("fpn", num_classes=2, droput=0.1)
    with pytest.raises(ConfigError, match="Option dropout = 'much' of the model 'fpn'"):
        build_model("fpn", num_classes=2, dropout="much")


def test_build_model__records_plain_arguments_that_rebuild_it() -> None:
    model = build_model(
        "unet-timm",
        num_classes=2,
        in_channels=4,
        encoder="resnet10t",
        decoder_channels=(8, 8),
        mean=(1, 2, 3, 4),
    )
    expected = {
        "num_classes": 2,
        "in_channels": 4,
        "encoder": "resnet10t",
        "decoder_channels": [8, 8],
        "mean": [1.0, 2.0, 3.0, 4.0],
    }
    assert model.arguments == expected
    assert json.loads(json.dumps(model.arguments)) == expected
    rebuilt = build_model(model.architecture, **model.arguments)
    assert rebuilt.state_dict().keys() == model.state_dict().keys()


def test_build_model__records_the_default_encoder() -> None:
    assert build_model("unet-timm", num_classes=2).arguments["encoder"] == MODELS["unet-timm"].encoder


def test_model_config__is_checked() -> None:
    config = validate(ModelConfig, {"kind": "fpn", "pretrained": "w.safetensors"}, source="recipe")
    assert config.pretrained == "w.safetensors"
    assert validate(ModelConfig, {"pretrained": True}, source="recipe").pretrained is True
    with pytest.raises(ConfigError, match=r"unknown key 'encodr': did you mean 'encoder'\?"):
        validate(ModelConfig, {"encodr": "resnet18"}, source="recipe")
