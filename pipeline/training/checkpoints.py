"""The checkpoints of a training: a file after each epoch, of which the last two are kept."""

import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from models.given_files.safe_load import ModelFileError, load_weights
from models.given_files.text_files import check_regular
from models.mmengine_parts import Runner
from pipeline.caching.atomic import whole_file

KEPT = 2
_PATTERN = "epoch_*.pth"
_ZIP_ERRORS = (  # of zipfile on damaged archives
    OSError,
    ValueError,
    EOFError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


def checkpoint_path(folder: Path, epoch: int) -> Path:
    """Return the file of the checkpoint after so many epochs."""
    return folder / f"epoch_{epoch:06d}.pth"


def write_checkpoint(runner: Runner, folder: Path, epoch: int) -> None:
    """Write the state of a training after so many epochs, and remove all but the last two files.

    Raises:
        WriteError: the disk is full or read-only; the files before stay.
    """
    with whole_file(checkpoint_path(folder, epoch)) as fresh:
        runner.save_checkpoint(str(fresh.parent), fresh.name)
    kept = {checkpoint_path(folder, epoch - back) for back in range(KEPT)}
    for path in set(folder.glob(_PATTERN)) - kept:
        path.unlink(missing_ok=True)


def find_checkpoint(folder: Path, log: Callable[[str], None]) -> Path | None:
    """Return the newest checkpoint whose file is whole; None if there is none.

    Args:
        folder: of the training.
        log: is told of each damaged file.
    """
    for path in sorted(folder.glob(_PATTERN), reverse=True):
        damage = _damage(path)
        if damage is None:
            return path
        log(f"{damage}; the checkpoint before it is taken, if there is one")
    return None


def _damage(path: Path) -> str | None:
    """Return what is wrong with a file; torch itself does not look at the checksums in it."""
    try:
        check_regular(path)
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
        if broken is not None:
            return f"{path}: is damaged at {broken}"
        load_weights(path)
    except ModelFileError as error:
        return str(error)
    except _ZIP_ERRORS as error:
        return f"{path}: is damaged: {error}"
    return None
