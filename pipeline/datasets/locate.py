"""Where the pictures of a data set lie."""

from pathlib import Path

from pipeline.layout import DatasetFiles
from pipeline.sections import Flickr30kDataset, ShapesDataset

FLICKR30K_IMAGES = "flickr30k-images"


def image_folder(dataset_name: str, dataset: ShapesDataset | Flickr30kDataset) -> Path:
    """Return the folder that the `file` of every `ImageRecord` is relative to.

    Args:
        dataset_name: key of the data set in params.yaml.
        dataset: its section.
    """
    if isinstance(dataset, ShapesDataset):
        return DatasetFiles(dataset_name).annotations / "images"
    return Path(dataset.root) / FLICKR30K_IMAGES
