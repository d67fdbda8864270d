"""A headless Chromium driven over a pipe (the Chrome DevTools Protocol), with the standard library alone."""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NO_BROWSER = "no Chromium is installed here"
PATIENCE_S = 300.0

KEYS = {
    "Escape": 27,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
    "Enter": 13,
    "Tab": 9,
}


class Browser:
    """One page; what it says on the console, or fails at, as errors, is in `complaints`."""

    def __init__(self, home: Path) -> None:
        (to_read, self._write), (self._read, to_write) = os.pipe(), os.pipe()
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
        command = [str(BROWSER), *options, f"--user-data-dir={home / 'profile'}", "about:blank"]
        # The protocol wants its pipes as descriptors 3 and 4.
        shell = f'exec "$@" 3<&{to_read} 4>&{to_write}'
        self._process = subprocess.Popen(
            ["bash", "-c", shell, "chromium", *command],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._number, self._rest = 0, b""
        self._session: str | None = None
        self.complaints: list[str] = []
        self._attach()

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self._session = None
        self.call("Browser.close")
        os.close(self._write)
        os.close(self._read)
        self._process.wait(PATIENCE_S)

    def open(self, page: Path, address: str = "", *, width: int = 1280, height: int = 900) -> None:
        """Load a page afresh, from the disk."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=page.as_uri() + address)
        self.wait(
            f"location.href.startsWith({json.dumps(page.as_uri())}) && document.readyState === 'complete'"
        )

    def dark(self, on: bool) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if on else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def run(self, expression: str) -> Any:
        """Return what an expression is in the page, as plain values."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, expression: str) -> None:
        """Wait until an expression is true in the page."""
        until(lambda: self.run(expression), expression)

    def press(self, *keys: str) -> None:
        """Press and release keys as a person does."""
        for key in keys:
            facts: dict[str, Any] = {"key": key, "windowsVirtualKeyCode": KEYS.get(key, ord(key[0].upper()))}
            text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
            self.call("Input.dispatchKeyEvent", type="keyDown", **facts, **({"text": text} if text else {}))
            self.call("Input.dispatchKeyEvent", type="keyUp", **facts)

    def mouse(self, kind: str, x: float, y: float, *, held: bool = False) -> None:
        """Move the mouse, or press or release its button, at a point of the window."""
        facts = {"type": f"mouse{kind}", "x": x, "y": y, "buttons": int(held)}
        button = {"button": "left", "clickCount": 1} if kind != "Moved" or held else {}
        self.call("Input.dispatchMouseEvent", **facts, **button)

    def screenshot(self, target: Path) -> None:
        """Write what the window shows; the ending says which format."""
        kind = {"format": "png"} if target.suffix == ".png" else {"format": "jpeg", "quality": 82}
        target.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", **kind)["data"]))

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one command and return its result."""
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                assert "error" not in answer, (method, answer["error"])
                result: dict[str, Any] = answer["result"]
                return result

    def _attach(self) -> None:
        def first_page() -> str | None:
            targets = self.call("Target.getTargets")["targetInfos"]
            return next((t["targetId"] for t in targets if t["type"] == "page"), None)

        target = until(first_page, "a page to be there")
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for room in ("Page", "Runtime", "Log"):
            self.call(f"{room}.enable")

    def _receive(self) -> dict[str, Any]:
        """Return the next message; keep what is a complaint."""
        end = time.monotonic() + PATIENCE_S
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._read], [], [], max(0.0, end - time.monotonic()))
            assert ready, "Chromium does not answer"
            part = os.read(self._read, 1 << 20)
            assert part, "Chromium has gone"
            self._rest += part
        text, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        if is_error(message):
            self.complaints.append(json.dumps(message["params"])[:2000])
        return message


def is_error(message: dict[str, Any]) -> bool:
    """Whether the page failed at something; Chromium also talks of its own haste on a busy machine."""
    method, params = message.get("method"), message.get("params", {})
    if method == "Log.entryAdded":
        return bool(params["entry"]["level"] == "error")
    logged = method == "Runtime.consoleAPICalled" and params["type"] in {"error", "assert"}
    return logged or method == "Runtime.exceptionThrown"


def until(test: Callable[[], Any], what: str) -> Any:
    """Call until the answer is true; return it."""
    end = time.monotonic() + PATIENCE_S
    while not (answer := test()):
        assert time.monotonic() < end, f"waited for {what}"
        time.sleep(0.02)
    return answer
