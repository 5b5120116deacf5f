"""Import mmengine without a shared file of its formatter, and re-export the parts in use.

mmengine imports yapf, a formatter of source text. yapf keeps its grammar in a file in the user's
cache folder and gives that file its final name before the text is written: a process that starts
in that moment reads an empty file and ends, and so does every later one if the writer was killed.
Here the grammar is made anew in memory, which takes 15 ms, and the file is not touched.
"""

import importlib
import os

import platformdirs


def import_yapf() -> None:
    """Import yapf without a cache folder; do nothing if it is imported already."""
    user_cache_dir = platformdirs.user_cache_dir
    platformdirs.user_cache_dir = lambda *_args, **_names: os.devnull  # no folder can be made there
    try:
        importlib.import_module("yapf")
    finally:
        platformdirs.user_cache_dir = user_cache_dir


import_yapf()
from mmengine.config import Config, ConfigDict  # noqa: E402
from mmengine.hooks import Hook  # noqa: E402
from mmengine.logging import HistoryBuffer, MMLogger  # noqa: E402
from mmengine.model import MMDistributedDataParallel  # noqa: E402
from mmengine.optim import AmpOptimWrapper, OptimWrapper  # noqa: E402
from mmengine.registry import DefaultScope, init_default_scope  # noqa: E402
from mmengine.runner import Runner  # noqa: E402
from mmengine.structures import InstanceData  # noqa: E402

__all__ = [
    "AmpOptimWrapper",
    "Config",
    "ConfigDict",
    "DefaultScope",
    "HistoryBuffer",
    "Hook",
    "InstanceData",
    "MMDistributedDataParallel",
    "MMLogger",
    "OptimWrapper",
    "Runner",
    "init_default_scope",
]
