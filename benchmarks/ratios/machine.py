"""The machine that ratios were taken on."""

import os
import platform
import subprocess
from pathlib import Path

import torch

_CPU_INFO = Path("/proc/cpuinfo")


def describe_machine() -> dict[str, str]:
    """Return model and number of the cores, the threads used, PyTorch's version and the commit."""
    return {
        "CPU": cpu_model(),
        "cores": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "torch": torch.__version__,
        "commit": commit(),
        "load": f"{os.getloadavg()[0]:.1f}",
    }


def cpu_model() -> str:
    """Return the processor's name, as the kernel gives it where it does."""
    if _CPU_INFO.is_file():
        for line in _CPU_INFO.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return f"{line.partition(':')[2].strip()} ({platform.machine()})"
    return platform.processor() or platform.machine()


def commit() -> str:
    """Return the commit of the project, with a `+` if files differ from it; "" outside git."""
    described = _git("rev-parse", "--short", "HEAD")
    return described and described + "+" * bool(_git("status", "--porcelain", "-uno"))


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
