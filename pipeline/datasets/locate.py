"""Where the pictures of a data set lie."""

from pathlib import Path

from pipeline.layout import DatasetFiles
from pipeline.params.datasets import DatasetSection, ShapesDataset


def image_folder(dataset_name: str, dataset: DatasetSection) -> Path:
    """Return the folder that the `file` of every `ImageRecord` is relative to.

    Args:
        dataset_name: key of the data set in params.yaml.
        dataset: its section.
    """
    if isinstance(dataset, ShapesDataset):
        return DatasetFiles(dataset_name).annotations / "images"
    return Path(dataset.images)
