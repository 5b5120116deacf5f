"""A folder as `dvc init` leaves it, without the process, and without reports to DVC's makers."""

import subprocess
from pathlib import Path

CONFIG = "[core]\n    analytics = false\n    check_update = false\n"


def make_dvc_folder(folder: Path, has_git: bool = True) -> None:
    """Make a folder a project of DVC, in a git repository of its own or in none."""
    (folder / ".dvc").mkdir()
    (folder / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
    (folder / ".dvc" / "config").write_text(CONFIG + ("" if has_git else "    no_scm = true\n"))
    if has_git:
        subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
