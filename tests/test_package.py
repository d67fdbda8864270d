"""The package as a whole: cheap to import, and whole in a wheel."""

import json
import os
import statistics
import subprocess
import sys
import time
import venv
from pathlib import Path

import pytest


def seconds(command: list[str], runs: int = 5) -> float:
    """Best wall time of a command: the fastest run is the one that a busy machine disturbed least."""
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        taken.append(time.perf_counter() - start)
    return min(taken)


def test_import__takes_under_0_3_seconds_and_loads_neither_torch_nor_numpy() -> None:
    code = "import sys, terrazzo; print({'torch', 'numpy', 'timm'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    bare = statistics.median(seconds([sys.executable, "-c", "pass"]) for _ in range(3))
    assert seconds([sys.executable, "-c", "import terrazzo"]) - bare < 0.3


def test_help__takes_under_half_a_second_and_loads_no_torch() -> None:
    command = [sys.executable, "-m", "terrazzo", "--help"]
    seconds(command, runs=1)  # the first run may compile bytecode
    assert seconds(command) < 0.5
    traced = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "terrazzo", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    modules = {line.rpartition("|")[2].strip() for line in traced.stderr.splitlines()}
    assert not {"torch", "timm", "matplotlib"} & modules
    for verb in ("demo", "train", "evaluate", "predict", "models"):
        assert verb in traced.stdout


def test_version__is_the_packages() -> None:
    import terrazzo

    done = subprocess.run(
        [sys.executable, "-m", "terrazzo", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"terrazzo {terrazzo.__version__}"


def test_unknown_attribute__is_an_attribute_error() -> None:
    import terrazzo

    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        terrazzo.laod  # noqa: B018


@pytest.mark.wheel
def test_wheel__runs_the_demo_in_a_clean_environment(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path)],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "clean", with_pip=True)
    programs = tmp_path / "clean" / "bin"
    subprocess.run([programs / "python", "-m", "pip", "install", "--quiet", wheel], check=True)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [programs / "terrazzo", "demo", "--minutes", "0.2", "--out", "demo"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "demo" / "run" / "report.html").exists()
    assert 0 < json.loads((tmp_path / "demo" / "scores.json").read_text())["miou"] <= 1
