"""The published data sets: their splits, with counts, and the origin of their pictures.

Counts of images: lists of images counted one by one, or as published. Counts of phrases: Yu et al.
2016 (https://arxiv.org/abs/1608.00272), Nagaraja et al. 2016 (https://arxiv.org/abs/1608.00525),
Mao et al. 2016 (https://arxiv.org/abs/1511.02283) as cleaned by the `refer` tools, Hu et al. 2016
(https://arxiv.org/abs/1511.04164), Plummer et al. 2015 (https://arxiv.org/abs/1505.04870).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.params.datasets import Collection, DatasetSection, Flickr30kDataset, ReferringDataset

COCO = "COCO train2014"
SAIAPR = "SAIAPR TC-12"
FLICKR = "Flickr30K"
UNKNOWN = (0, 0)


@dataclass(frozen=True)
class Published:
    """Published facts on a data set.

    Attributes:
        pictures: data set that the pictures come from.
        counts: (images, phrases) of every split; `UNKNOWN` where they are not published.
        remark: caveat on the counts or the splits.
    """

    pictures: str
    counts: Mapping[str, tuple[int, int]]
    remark: str = ""


_REFERIT = {"train": (8994, 54127), "val": (1000, 5842), "test": (10000, 60103)}
_UNC_REMARK = "an image is in one split; testA holds people, testB other things"
PUBLISHED: Mapping[Collection, Published] = {
    "refcoco_unc": Published(
        COCO,
        {
            "train": (16994, 120624),
            "val": (1500, 10834),
            "testA": (750, 5657),
            "testB": (750, 5095),
        },
        _UNC_REMARK,
    ),
    "refcoco_google": Published(COCO, dict.fromkeys(("train", "val", "test"), UNKNOWN)),
    "refcoco_plus_unc": Published(
        COCO,
        {
            "train": (16992, 120191),
            "val": (1500, 10758),
            "testA": (750, 5726),
            "testB": (750, 4889),
        },
        _UNC_REMARK,
    ),
    "refcocog_google": Published(
        COCO,
        {"train": (24698, 85474), "val": (4650, 9536)},
        "objects, not images, were split: an image may be in both; 3,748 training images are not "
        "in the training split of refcocog_umd and nearly all of them in its val and test: "
        "a model trained here must not be evaluated there",
    ),
    "refcocog_umd": Published(
        COCO,
        {"train": (21899, 80512), "val": (1300, 4896), "test": (2600, 9602)},
        "an image is in one split; most images of val and test are in the training split of "
        "refcocog_google: a model trained there must not be evaluated here",
    ),
    "refclef_unc": Published(
        SAIAPR, dict.fromkeys(("train", "val", "testA", "testB", "testC"), UNKNOWN)
    ),
    "refclef_berkeley": Published(
        SAIAPR, _REFERIT, "2 images of train and 1 of test are missing from what is distributed"
    ),
    "referit": Published(SAIAPR, _REFERIT, "the published test split has about 10,000 images"),
    "flickr30k": Published(
        FLICKR,
        {"train": (29783, 427193), "val": (1000, 14433), "test": (1000, 14481)},
        "the published training phrases are those with a box; in the official layout all others "
        "that speak of something visible are trained on too; lists of 29,779 training images are "
        "about as common",
    ),
}


def published_of(section: DatasetSection) -> Published | None:
    """Return the published facts on a data set; None for drawn scenes and own pictures."""
    if isinstance(section, ReferringDataset):
        return PUBLISHED[section.collection]
    return PUBLISHED["flickr30k"] if isinstance(section, Flickr30kDataset) else None
