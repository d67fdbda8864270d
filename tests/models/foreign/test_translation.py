"""The framework for foreign weights: what it renames, what it refuses, and what it leaves alone."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from terrazzo.core.errors import RequestError
from terrazzo.models import build_model
from terrazzo.models.foreign import LAYOUTS, MODULES, from_file, from_module
from terrazzo.models.foreign.file import read_state
from terrazzo.models.foreign.layouts import Layout
from terrazzo.models.foreign.translation import Translation, assemble, rename
from tests.models.foreign.drawn import drawn_state

OUTPUTS = 4
ARGUMENTS: dict[str, Any] = {"num_classes": OUTPUTS, "first_width": 1, "norm": "batch"}


def weights() -> dict[str, Tensor]:
    """Return drawn weights of a very small network, under our names."""
    state = build_model("vnet", **ARGUMENTS).state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items() if "normalize" not in name}
    return drawn_state(shapes)


def translation(state: Mapping[str, Tensor], **arguments: Any) -> Translation:
    return Translation("a toy", "vnet", ARGUMENTS | arguments, dict(state))


class Toy(nn.Module):
    """A module of another library: the same network, one level down."""

    def __init__(self) -> None:
        super().__init__()
        self.net = build_model("vnet", **ARGUMENTS)
        self.net.load_state_dict(weights(), strict=False)


def translate_toy(module: nn.Module) -> Translation:
    rules = [("normalize", None), (r"^net\.", "")]
    return translation(rename(module.state_dict(), rules))


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Toy:
    """Return a toy whose translation is known."""
    monkeypatch.setitem(MODULES, f"{Toy.__module__.partition('.')[0]}.Toy", lambda: translate_toy)
    return Toy()


@pytest.fixture
def layout(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a layout that is ours already, its images blue first with means of their own."""

    def translate(state: Mapping[str, Tensor]) -> Translation:
        return translation(state, mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0), bgr=True)

    monkeypatch.setitem(LAYOUTS, "toy", Layout("someone/toy", "MIT", lambda: translate))
    return "toy"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file of weights."""
    path = tmp_path / "toy.safetensors"
    save_file(weights(), path)
    return path


def image() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (1, 3, 48, 48), generator=generator, dtype=torch.uint8)


def test_rename__applies_every_rule_in_order_and_leaves_out() -> None:
    state = {name: torch.zeros(1) for name in ("a.1.w", "b.2.w", "old.w")}
    rules = [("^old", None), (r"^a\.", "c."), (r"^[bc]\.(\d)", r"d.\1.x")]
    assert list(rename(state, rules)) == ["d.1.x.w", "d.2.x.w"]


def test_rename__refuses_two_tensors_of_one_name() -> None:
    state = {"a.w": torch.zeros(1), "b.w": torch.zeros(1)}
    with pytest.raises(RequestError, match=r"Two tensors would become 'c\.w'; the second is 'b\.w'"):
        rename(state, [("^[ab]", "c")])


def test_assemble__loads_every_tensor() -> None:
    state = weights()
    model = assemble(translation(state))
    assert not model.training
    loaded = model.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in state.items())


def test_assemble__names_every_tensor_that_does_not_fit() -> None:
    state = weights()
    del state["classify.bias"], state["down.1.0.weight"]
    state["classify.weight"] = torch.zeros(9, 2, 1, 1)
    state |= {"extra.a": torch.zeros(1), "extra.b": torch.zeros(1)}
    with pytest.raises(RequestError) as refused:
        assemble(translation(state))
    lines = str(refused.value).splitlines()
    assert lines[0].startswith("The weights of a toy do not fit our vnet (built with {'num_classes': 4")
    assert lines[1:] == [
        "Missing: down.1.0.weight, classify.bias.",
        "Left over: extra.a, extra.b.",
        "Of another shape: classify.weight (9, 2, 1, 1) instead of (4, 2, 1, 1).",
    ]


def test_assemble__does_not_miss_the_counters_of_batch_norm() -> None:
    state = {name: tensor for name, tensor in weights().items() if "num_batches_tracked" not in name}
    assert len(state) < len(weights())
    assemble(translation(state))


def test_assemble__leaves_the_global_random_state() -> None:
    state = weights()
    before = torch.random.get_rng_state()
    assemble(translation(state))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_from_module__equals_the_module(toy: Toy) -> None:
    with torch.no_grad():
        assert torch.equal(from_module(toy)(image()).logits, toy.net.eval()(image()).logits)


def test_from_module__leaves_the_module_as_it_is(toy: Toy) -> None:
    before = {name: tensor.clone() for name, tensor in toy.state_dict().items()}
    ours = from_module(toy)
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.fill_(7.0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in toy.state_dict().items())
    assert all(parameter.requires_grad for parameter in toy.parameters())
    assert toy.training
    assert toy.net.training


def test_from_module__knows_a_class_by_its_parent(toy: Toy) -> None:
    class Trained(Toy):
        pass

    assert from_module(Trained()).architecture == toy.net.architecture


def test_from_module__passes_the_statistics_through(toy: Toy) -> None:
    ours = from_module(toy, mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0))
    assert ours.normalize.mean.flatten().tolist() == [1, 2, 3]
    assert ours.normalize.std.flatten().tolist() == [4, 5, 6]
    rebuilt = build_model(ours.architecture, **ours.arguments)
    assert torch.equal(rebuilt.normalize.mean, ours.normalize.mean)


def test_from_module__names_what_it_does_not_know() -> None:
    sentence = "No translation for a torch.nn.modules.linear.Linear; there is one for: "
    with pytest.raises(RequestError, match=re.escape(sentence)) as refused:
        from_module(nn.Linear(1, 1))
    assert all(name in str(refused.value) for name in MODULES)


def test_from_file__takes_the_statistics_of_the_layout(layout: str, file: Path) -> None:
    model = from_file(file, layout=layout)
    assert model.normalize.mean.flatten().tolist() == [1, 2, 3]
    assert model.normalize.std.flatten().tolist() == [4, 5, 6]
    assert model.normalize.bgr


def test_from_file__passes_other_statistics_through(layout: str, file: Path) -> None:
    given = {"mean": (7.0, 8.0, 9.0), "std": (1.0, 2.0, 3.0)}
    model = from_file(file, layout=layout, bgr=False, mean=given["mean"], std=given["std"])
    assert model.normalize.mean.flatten().tolist() == [7, 8, 9]
    assert model.normalize.std.flatten().tolist() == [1, 2, 3]
    assert not model.normalize.bgr


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, [0, 1, 2, 3]),
        ({"num_classes": 4}, [0, 1, 2, 3]),
        ({"num_classes": 3}, [0, 1, 2]),
        ({"void_outputs": (0,)}, [1, 2, 3]),
        ({"num_classes": 2, "void_outputs": (1, 3)}, [0, 2]),
    ],
)
def test_from_file__leaves_out_the_outputs_for_void(
    layout: str, file: Path, options: dict[str, Any], kept: list[int]
) -> None:
    whole, model = from_file(file, layout=layout), from_file(file, layout=layout, **options)
    assert model.num_classes == len(kept)
    with torch.no_grad():
        assert torch.equal(model(image()).logits, whole(image()).logits[:, kept])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"num_classes": 5}, "The weights have 4 outputs, and 5 classes were asked for. Give the number"),
        (
            {"num_classes": 3, "void_outputs": (0, 1)},
            "4 outputs, and 3 classes were asked for beside the void outputs [0, 1]",
        ),
        ({"void_outputs": (4,)}, "void_outputs = [4]: expected different outputs of 0..3"),
        ({"void_outputs": (1, 1)}, "void_outputs = [1, 1]: expected different outputs of 0..3"),
    ],
)
def test_from_file__refuses_outputs_that_are_not_there(
    layout: str, file: Path, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(RequestError, match=re.escape(sentence)):
        from_file(file, layout=layout, **options)


def test_from_file__names_the_file_and_the_misfits(layout: str, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file(weights() | {"extra": torch.zeros(1)}, path)
    with pytest.raises(
        RequestError, match=rf"(?s)a toy in {re.escape(str(path))} do not .*Left over: extra\."
    ):
        from_file(path, layout=layout)


def test_from_file__refuses_an_unknown_layout(layout: str, file: Path) -> None:
    with pytest.raises(RequestError, match=f"Unknown layout 'toi'.*{layout!r}"):
        from_file(file, layout="toi")


def plain(state: dict[str, Tensor]) -> Any:
    return state


def wrapped(state: dict[str, Tensor]) -> Any:
    return {"state_dict": state, "epoch": 3, "best": 0.5}


def wrapped_twice(state: dict[str, Tensor]) -> Any:
    return {"model": {"net": state}}


def prefixed(state: dict[str, Tensor]) -> Any:
    return {f"module.{name}": tensor for name, tensor in state.items()}


def both(state: dict[str, Tensor]) -> Any:
    return {"model_state": {f"module.model.{name}": tensor for name, tensor in state.items()}}


@pytest.mark.parametrize("pack", [plain, wrapped, wrapped_twice, prefixed, both])
def test_read_state__strips_wrappers_and_prefixes(
    pack: Callable[[dict[str, Tensor]], Any], tmp_path: Path
) -> None:
    state = weights()
    torch.save(pack(state), tmp_path / "toy.pth")
    read = read_state(tmp_path / "toy.pth")
    assert list(read) == list(state)
    assert all(torch.equal(read[name], tensor) for name, tensor in state.items())


def test_read_state__keeps_a_prefix_that_not_all_names_have(tmp_path: Path) -> None:
    save_file({"module.a": torch.zeros(1), "b": torch.zeros(1)}, tmp_path / "toy.safetensors")
    assert set(read_state(tmp_path / "toy.safetensors")) == {"module.a", "b"}


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, [torch.zeros(1)], torch.zeros(1), {"state_dict": {}}])
def test_read_state__refuses_a_file_without_a_state_dict(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "toy.pth")
    with pytest.raises(RequestError, match=r"toy\.pth holds no state dict: expected names with tensors"):
        read_state(tmp_path / "toy.pth")


@pytest.mark.parametrize("name", ["toy.pth", "toy.safetensors"])
@pytest.mark.parametrize("content", [b"", b"these are no weights at all, but a text"])
def test_read_state__refuses_a_file_of_something_else(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(
        RequestError, match=f"{re.escape(name)} is not a file of weights that can be read safely"
    ):
        read_state(tmp_path / name)


def test_read_state__refuses_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"none\.pth: no such file"):
        read_state(tmp_path / "none.pth")


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.path, "sprung")


def test_read_state__runs_no_code_of_the_file(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    torch.save({"state_dict": weights(), "trap": Trap(sprung)}, tmp_path / "toy.pth")
    with pytest.raises(RequestError, match="can be read safely"):
        read_state(tmp_path / "toy.pth")
    assert not sprung.exists()
