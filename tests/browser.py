"""Drive a headless Chromium over a pipe by the DevTools protocol: open pages, press keys, take pictures, read text.

with chromium() as browser:
    browser.open(page.as_uri())
    browser.press("j")
    browser.value("document.title")
"""

import base64
import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
BUTTON = {"button": "left", "clickCount": 1}


def installed() -> str | None:
    """Return the path of the browser, or None if none is installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page in a browser."""

    def __init__(self, requests: int, replies: int) -> None:
        self._requests, self._replies = requests, os.fdopen(replies, "rb")
        self._number, self._session = 0, None
        self._read = b""
        self.complaints: list[str] = []
        """Console messages of the page, requests that its policy blocked, and errors in its script."""
        self.asked_for: list[str] = []
        """The addresses that the page requested."""
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """Call a method of the protocol and return its result."""
        self._number += 1
        session = {"sessionId": self._session} if self._session else {}
        message = {"id": self._number, "method": method, "params": parameters, **session}
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._requests, data) :]
        while (reply := self._next()).get("id") != self._number:
            self._note(reply)
        assert "error" not in reply, reply
        return reply["result"]

    def open(self, address: str) -> float:
        """Open a page and return the seconds until it is loaded and painted."""
        start = time.perf_counter()
        self.call("Page.navigate", url=address)
        self.value(
            "new Promise(done => { const painted = () => requestAnimationFrame(() => setTimeout(done));"
            " document.readyState === 'complete' ? painted() : addEventListener('load', painted); })"
        )
        return time.perf_counter() - start

    def value(self, expression: str) -> Any:
        """Evaluate a JavaScript expression and return its value."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def text(self, selector: str) -> str:
        """Return the visible text of the first element that matches."""
        return str(self.value(f"document.querySelector({json.dumps(selector)}).innerText"))

    def press(self, key: str) -> None:
        """Press and release a key that types one character."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, text=key if kind == "keyDown" else "")

    def click(self, selector: str) -> None:
        """Click in the middle of the first element that matches."""
        x, y = self.value(
            f"(() => {{ const node = document.querySelector({json.dumps(selector)});"
            " node.scrollIntoView({block: 'center'}); const box = node.getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **BUTTON)

    def size(self, width: int, height: int) -> None:
        """Set the size of the window, in pixels."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def picture(self, path: Path) -> None:
        """Save a PNG of the window."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def close(self) -> None:
        """Close the browser."""
        self._session = None
        self.call("Browser.close")
        self._replies.close()

    def _next(self) -> Any:
        while b"\0" not in self._read:
            piece = self._replies.read1(1 << 20)
            assert piece, "the browser ended"
            self._read += piece
        message, _, self._read = self._read.partition(b"\0")
        return json.loads(message)

    def _note(self, event: Any) -> None:
        facts = event.get("params", {})
        match event.get("method"):
            case "Log.entryAdded":
                self.complaints.append(facts["entry"]["text"])
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(facts))
            case "Page.javascriptDialogOpening":
                self.complaints.append(facts["message"])
            case "Network.requestWillBeSent":
                self.asked_for.append(facts["request"]["url"])


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a browser with a temporary profile."""
    program = installed()
    assert program, f"none of {', '.join(NAMES)} is installed"
    requested, ours = os.pipe()
    answers, replied = os.pipe()
    # Chromium reads from descriptor 3 and writes to 4, so these must be other descriptors.
    theirs = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 10) for descriptor in (requested, replied)]
    os.close(requested)
    os.close(replied)
    command = ["bash", "-c", f'exec "$@" 3<&{theirs[0]} 4>&{theirs[1]}', "bash", program, *OPTIONS]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [*command, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=theirs,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for descriptor in theirs:
            os.close(descriptor)
        try:
            browser = Browser(ours, answers)
            yield browser
            browser.close()
            process.wait(timeout=30)
        finally:
            os.close(ours)
            if process.poll() is None:
                process.kill()
                process.wait()
