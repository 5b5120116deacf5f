"""A clone of this project in a folder of its own, driven as a user drives it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from pipeline.params.profile import apply_values, parse_assignment, read_values, set_value

ROOT = Path(__file__).resolve().parents[2]
TINY = Path(__file__).with_name("tiny.yaml")


@dataclass(frozen=True)
class Project:
    """One clone."""

    folder: Path

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the clone: no git identity, no Prefect server, no network variables."""
        environment = {**self.environment(), **variables}
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )

    def python(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `python ...` in the clone."""
        return self.run(sys.executable, *arguments, **variables)

    def repro(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `dvc repro`."""
        return self.python("-m", "dvc", "repro", *arguments, **variables)

    def dvc(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a DVC command that must end well."""
        done = self.python("-m", "dvc", *arguments)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done

    def git(self, *arguments: str) -> None:
        """Run a git command that must end well."""
        done = self.run("git", *arguments)
        assert done.returncode == 0, done.stderr

    def set(self, **values: object) -> None:
        """Change keys of params.yaml, checked by nothing; `__` stands for the dot."""
        path, editor = self.folder / "params.yaml", YAML()
        content = editor.load(path)
        for key, value in values.items():
            set_value(content, *parse_assignment(f"{key.replace('__', '.')}={value}"))
        editor.dump(content, path)

    def set_text(self, old: str, new: str) -> None:
        """Change params.yaml by hand, checked by nothing."""
        path = self.folder / "params.yaml"
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, new), encoding="utf-8")

    def add_line(self, name: str, after: str, line: str) -> None:
        """Put a line behind another of a file."""
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        assert f"\n{text}".count(f"\n{after}\n") == 1
        path.write_text(f"\n{text}".replace(f"\n{after}\n", f"\n{after}\n{line}\n")[1:], "utf-8")

    def environment(self) -> Mapping[str, str]:
        """Return the variables of a command in the clone."""
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("PREFECT", "PIPELINE", "DVC"))
        }
        home = str(self.folder.parent)
        path = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
        return kept | {
            "HOME": home,
            "PATH": path,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
        }


def clone(folder: Path) -> Project:
    """Copy what git knows or would add, make it a repository, and shrink params.yaml."""
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listing.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / "dvc.lock").unlink(missing_ok=True)
    project = Project(folder)
    assert project.run("git", "init", "--quiet").returncode == 0
    apply_values(folder / "params.yaml", read_values(str(TINY)))
    return project


def stages_run(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Names of the stages that a `dvc repro` ran, without dataset and variant, in order."""
    return re.findall(r"Running stage '(\w+)@", done.stdout)
