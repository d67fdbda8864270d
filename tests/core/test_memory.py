"""Workers keep freed memory, where the system has such a setting."""

import platform
import subprocess
import sys

import pytest

from terrazzo.core import memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_keep_freed_memory__the_same_block_comes_back_without_new_pages() -> None:
    code = (
        "import resource, numpy as np\n"
        "from terrazzo.core.memory import keep_freed_memory\n"
        "assert keep_freed_memory()\n"
        "np.ones(3_000_000, np.uint8)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "for _ in range(20): np.ones(3_000_000, np.uint8)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(out.stdout) < 800  # one block alone has 733 pages


def test_keep_freed_memory__elsewhere_it_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not memory.keep_freed_memory()
