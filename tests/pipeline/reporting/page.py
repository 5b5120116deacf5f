"""A page in headless Chromium: what it measures, and what it says on its console."""

import json
import re
import subprocess
from html import unescape
from pathlib import Path
from shutil import which
from typing import Any

CHROMIUM = which("chromium") or which("chromium-browser") or which("google-chrome")


def look(page: Path, width: int, script: str) -> tuple[Any, list[str]]:
    """Return what a script finds on a page in a window of a width, and the console's messages.

    Args:
        page: an HTML file.
        width: of the window, CSS pixels.
        script: the body of a function without arguments, run when the page is laid out.
    """
    probe = f"document.documentElement.dataset.found = JSON.stringify((() => {{{script}}})())"
    probed = page.with_name(f"{page.stem}_probed_{width}.html")
    probed.write_text(f"{page.read_text('utf-8')}<script>{probe}</script>", encoding="utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += ["--enable-logging=stderr", f"--window-size={width},900", "--dump-dom"]
    command += [f"--user-data-dir={page.parent / 'profile'}", probed.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    probed.unlink()
    found = re.search(r'data-found="([^"]*)"', done.stdout)
    assert found, done.stderr[-2000:]
    console = re.findall(r"CONSOLE.*", done.stderr)
    return json.loads(unescape(found[1])), console
