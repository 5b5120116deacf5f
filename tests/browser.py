"""A headless Chromium, driven by the WebDriver protocol (https://www.w3.org/TR/webdriver2/)."""

import base64
import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the standard's name of an element's id
OPTIONS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
QUIET = ["--disable-background-networking", "--disable-component-update", "--no-first-run"]


class Browser:
    """One window; `Browser.opened` starts it, `close` ends it."""

    def __init__(self, driver, address, session):
        self._driver, self._address, self._session = driver, address, session

    @classmethod
    def opened(cls, folder, window=(1200, 1400)):
        """Start a browser whose profile lies in `folder`, or skip the test where there is none."""
        if shutil.which("chromedriver") is None:
            pytest.skip("no chromedriver; on Debian: apt-get install chromium-driver")
        log = Path(folder) / "driver.log"
        with log.open("w") as stream:
            driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=stream)
        address = f"http://127.0.0.1:{cls._port(log)}/session"
        size = f"--window-size={window[0]},{window[1]}"
        arguments = [*OPTIONS, *QUIET, size, f"--user-data-dir={folder}/profile"]
        wanted = {
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        answer = _ask("POST", address, {"capabilities": {"alwaysMatch": wanted}})
        return cls(driver, address, answer["sessionId"])

    @staticmethod
    def _port(log):
        deadline = time.monotonic() + 30
        while not (said := re.search(r"successfully on port (\d+)", log.read_text())):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return int(said[1])

    def close(self):
        _ask("DELETE", f"{self._address}/{self._session}")
        self._driver.terminate()
        self._driver.wait()

    def open(self, address):
        self._do("url", {"url": address})

    def type(self, css, text):
        """Type into an element; of a file input, the path of the file."""
        self._do(f"element/{self._find(css)}/value", {"text": text})

    def click(self, css):
        self._do(f"element/{self._find(css)}/click", {})

    def run(self, script):
        """Return what the body of a function of JavaScript returns."""
        return self._do("execute/sync", {"script": script, "args": []})

    def wait_for(self, script, seconds=60):
        """Return what a script returns as soon as that is true."""
        deadline = time.monotonic() + seconds
        while not (value := self.run(script)):
            assert time.monotonic() < deadline, self.run("return document.body.innerText")
            time.sleep(0.05)
        return value

    def console(self):
        """Return what the page wrote to the console since it was asked last."""
        return [line["message"] for line in self._do("se/log", {"type": "browser"})]

    def loaded(self):
        """Return the address of everything the page has fetched."""
        return self.run("return performance.getEntriesByType('resource').map((one) => one.name)")

    def screenshot(self):
        return base64.b64decode(_ask("GET", f"{self._address}/{self._session}/screenshot"))

    def _find(self, css):
        return self._do("element", {"using": "css selector", "value": css})[ELEMENT]

    def _do(self, what, content):
        return _ask("POST", f"{self._address}/{self._session}/{what}", content)


def _ask(method, address, content=None):
    data = None if content is None else json.dumps(content).encode()
    request = Request(address, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urlopen(request, timeout=120) as response:
            return json.load(response)["value"]
    except HTTPError as error:
        raise AssertionError(error.read().decode()) from error
