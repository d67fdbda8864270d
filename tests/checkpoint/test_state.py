"""Training state: the newest that verifies, the last few kept, and no code run on loading."""

import resource
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from terrazzo.checkpoint.state import load_state, save_state
from terrazzo.checkpoint.write import write_folder
from terrazzo.core.errors import CheckpointError
from tests.checkpoint.tiny import TinyNet


def folders(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def test_save_state__everything_a_run_needs_comes_back(tmp_path: Path) -> None:
    model = TinyNet()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    model(torch.rand(1, 3, 40, 40)).logits.sum().backward()
    optimizer.step()
    state: dict[str, Any] = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "random": torch.get_rng_state(),
        "plain": {
            "epoch": 3,
            "best": 0.5,
            "name": "a",
            "raw": b"\x00\xff",
            "none": None,
            "pair": (1, [True]),
        },
        "ordered": OrderedDict(a=1),
    }
    save_state(tmp_path, 12, state)
    loaded = load_state(tmp_path)
    assert loaded is not None
    assert loaded.step == 12
    assert loaded.folder == tmp_path / "step-00000012"
    assert (loaded.passed_over, loaded.differences) == ([], [])
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state["model"][name], tensor)
    torch.optim.AdamW(model.parameters()).load_state_dict(loaded.state["optimizer"])
    assert torch.equal(loaded.state["random"], state["random"])
    assert loaded.state["plain"] == state["plain"]
    assert loaded.state["ordered"] == state["ordered"]


def test_load_state__none_where_nothing_was_saved(tmp_path: Path) -> None:
    assert load_state(tmp_path / "nothing") is None
    (tmp_path / "notes").mkdir()
    assert load_state(tmp_path) is None


def test_save_state__keeps_the_last_two(tmp_path: Path) -> None:
    for step in (1, 2, 30, 100_000_000):
        save_state(tmp_path, step, {"step": step})
    assert folders(tmp_path) == ["step-00000030", "step-100000000"]
    loaded = load_state(tmp_path)
    assert loaded is not None
    assert loaded.step == 100_000_000


def test_save_state__the_same_step_again(tmp_path: Path) -> None:
    save_state(tmp_path, 1, {"turn": 1})
    save_state(tmp_path, 1, {"turn": 2})
    loaded = load_state(tmp_path)
    assert loaded is not None
    assert loaded.state == {"turn": 2}
    assert folders(tmp_path) == ["step-00000001"]


def test_load_state__passes_over_a_damaged_one_and_says_so(tmp_path: Path) -> None:
    for step in (10, 20):
        save_state(tmp_path, step, {"step": step, "weights": torch.zeros(1000)})
    damage(tmp_path / "step-00000020" / "state.pt")
    loaded = load_state(tmp_path)
    assert loaded is not None
    assert loaded.state["step"] == 10
    (sentence,) = loaded.passed_over
    assert sentence.startswith("Passed over the state of step 20: ")
    assert "state.pt is damaged" in sentence


def test_load_state__passes_over_a_truncated_one(tmp_path: Path) -> None:
    for step in (10, 20):
        save_state(tmp_path, step, {"step": step})
    path = tmp_path / "step-00000020" / "state.pt"
    path.write_bytes(path.read_bytes()[:-1])
    loaded = load_state(tmp_path)
    assert loaded is not None
    assert "truncated" in loaded.passed_over[0]


def test_save_state__after_going_back_the_future_is_deleted(tmp_path: Path) -> None:
    for step in (10, 20):
        save_state(tmp_path, step, {"step": step})
    damage(tmp_path / "step-00000020" / "state.pt")
    save_state(tmp_path, 15, {"step": 15})
    assert folders(tmp_path) == ["step-00000010", "step-00000015"]


def test_save_state__an_unfinished_one_does_not_count_as_kept(tmp_path: Path) -> None:
    save_state(tmp_path, 4, {"step": 4})
    (tmp_path / ".step-00000005.new-1a2b3c4d").mkdir()
    save_state(tmp_path, 6, {"step": 6})
    assert folders(tmp_path) == ["step-00000004", "step-00000006"]


def test_load_state__all_damaged_is_an_error_not_a_fresh_start(tmp_path: Path) -> None:
    for step in (10, 20):
        damage(save_state(tmp_path, step, {"step": step}) / "state.pt")
    with pytest.raises(
        CheckpointError, match=r"No saved state in .* can be used\. .*step 20.*step 10.*Start again"
    ):
        load_state(tmp_path)


def test_load_state__one_set_aside_by_a_crash_is_found(tmp_path: Path) -> None:
    save_state(tmp_path, 10, {"step": 10}).rename(tmp_path / ".step-00000010.old-1a2b3c4d")
    loaded = load_state(tmp_path)
    assert loaded is not None
    assert loaded.step == 10
    for step in (11, 12):
        save_state(tmp_path, step, {})
    assert folders(tmp_path) == ["step-00000011", "step-00000012"]


def test_load_state__says_what_is_not_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_state(tmp_path, 1, {}, device="cpu")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 61)
    monkeypatch.setattr(torch, "__version__", "9.9.0")
    loaded = load_state(tmp_path, device="cpu")
    assert loaded is not None
    torch_line, threads_line = loaded.differences
    assert torch_line.endswith("is 9.9.0")
    assert threads_line.endswith("is 61")


@pytest.mark.parametrize(
    ("value", "where"),
    [
        (np.zeros(2), r"state\['a'\]\['b'\]\[1\] is a numpy\.ndarray"),
        (np.float64(1), r"is a numpy\.float64"),
        (TinyNet(), r"is a tests\.checkpoint\.tiny\.TinyNet"),
        (Path("x"), "is a pathlib"),
    ],
)
def test_save_state__what_would_not_load_is_refused_before_writing(
    tmp_path: Path, value: Any, where: str
) -> None:
    with pytest.raises(TypeError, match=where + ".*Turn it into a tensor"):
        save_state(tmp_path, 1, {"a": {"b": [0, value]}})
    assert not folders(tmp_path)


def test_load_state__never_runs_code(tmp_path: Path) -> None:
    ran = tmp_path / "ran"

    class Trap:
        def __reduce__(self) -> Any:
            return Path.touch, (ran,)

    write_folder(tmp_path / "step-00000001", {"state.pt": lambda path: torch.save({"a": Trap()}, path)})
    with pytest.raises(CheckpointError, match=r"state\.pt cannot be read by torch"):
        load_state(tmp_path)
    assert not ran.exists()


def test_save_state__disk_full_in_the_middle(tmp_path: Path) -> None:
    save_state(tmp_path, 1, {"step": 1})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, before[1]))
    try:
        with pytest.raises(CheckpointError, match=r"Not enough disk .*step-00000002: it needs about 5\.0 MB"):
            save_state(tmp_path, 2, {"weights": torch.zeros(1_000_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert folders(tmp_path) == ["step-00000001"]
    loaded = load_state(tmp_path)
    assert loaded is not None
    assert loaded.step == 1


@pytest.mark.parametrize(("step", "keep"), [(-1, 2), (1, 0)])
def test_save_state__impossible_numbers(tmp_path: Path, step: int, keep: int) -> None:
    with pytest.raises(ValueError, match="expected step >= 0 and keep >= 1"):
        save_state(tmp_path, step, {}, keep=keep)
