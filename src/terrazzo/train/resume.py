"""Training state to and from disk: what is written so that a killed run continues to the same bits."""

from typing import Any

from accelerate import Accelerator

from terrazzo.checkpoint import load_state, save_state
from terrazzo.train.folder import RunFolder
from terrazzo.train.loop import State, new_counters


def save_run_state(folder: RunFolder, state: State, accelerator: Accelerator) -> None:
    """Write the state at its step; the newest two are kept."""
    data: dict[str, Any] = {
        "model": state["model"].state_dict(),
        "average": state["average"].model.state_dict(),
        "optimizer": state["optimizer"].state_dict(),
        "counters": {name: dict(state)[name] for name in new_counters()},
    }
    if accelerator.scaler is not None:
        data["scaler"] = accelerator.scaler.state_dict()
    save_state(folder.state, state["step"], data, device=accelerator.device)


def restore_run_state(folder: RunFolder, state: State, accelerator: Accelerator) -> list[str]:
    """Load the newest good state into `state`.

    Returns:
        Notes for the person: where the run goes on, states that were passed over, and what is different
        about this machine.
    """
    loaded = load_state(folder.state, device=accelerator.device)
    if loaded is None:
        return [f"{folder.root} holds no saved state yet: starting from the beginning."]
    state["model"].load_state_dict(loaded.state["model"])
    state["average"].model.load_state_dict(loaded.state["average"])
    state["optimizer"].load_state_dict(loaded.state["optimizer"])
    state.update(loaded.state["counters"])
    if accelerator.scaler is not None and "scaler" in loaded.state:
        accelerator.scaler.load_state_dict(loaded.state["scaler"])
    return [*loaded.passed_over, *loaded.differences, f"Resuming at step {state['step']}."]
