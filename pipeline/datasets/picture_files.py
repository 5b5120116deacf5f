"""Find pictures by name in the ways in which people keep them."""

import os
from functools import cached_property
from pathlib import Path

from pipeline.errors import InputError

COCO_2014 = "COCO_train2014_"  # begins the names of 2014, which 2017 dropped


class PictureFinder:
    """Finds the files of pictures below one folder.

    A picture may lie in the folder itself or in a folder below it, as SAIAPR TC-12 keeps them
    (`00/images/25.jpg`); one of COCO may bear its name of 2014 or of 2017. Of several files with
    one name the first by path counts.
    """

    def __init__(self, folder: Path) -> None:
        """Check that the folder is there.

        Raises:
            InputError: it is not.
        """
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; `images` in params.yaml must name it")
        self.folder = folder

    def find(self, name: str) -> str:
        """Return the path of a picture below the folder; `name` itself if there is none."""
        if (self.folder / name).is_file():
            return name
        base = name.rpartition("/")[2]
        known = self._path_by_name
        return known.get(base) or known.get(base.removeprefix(COCO_2014)) or name

    @cached_property
    def _path_by_name(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for parent, folders, files in os.walk(self.folder):
            folders.sort()
            below = Path(parent).relative_to(self.folder)
            for file in sorted(files):
                found.setdefault(file, (below / file).as_posix())
        return found
