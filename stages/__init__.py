"""Stages of the pipeline; one that is run as a program prepares itself before it imports torch."""

from pipeline.freed_memory import put_off_collection
from pipeline.lifetime import end_with_dvc, is_starting

if is_starting():  # not in other processes that import a stage
    end_with_dvc()
    put_off_collection()
