"""Stages of the pipeline; one that DVC runs ends with it, even while it imports its module."""

from pipeline.lifetime import end_with_dvc

end_with_dvc()
