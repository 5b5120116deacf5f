"""Put together, from the caches, what a method without training may look at."""

from pathlib import Path

from pipeline.caching.cache import Cache
from pipeline.evaluation.baselines import BaselineInputs
from pipeline.mentions import HEAD_ROLE
from pipeline.samples.grounding_tables import GroundingTables


def build_baseline_inputs(
    caches: GroundingTables, image_index: int, phrase_index: int
) -> BaselineInputs:
    """Return what may be looked at to localise a phrase.

    Raises:
        CacheError: a cache does not know the image or the phrase.
    """
    proposals = caches.proposals(image_index)
    fits = caches.fits([phrase_index], proposals["labels"])[0]  # (R + 1,)
    says_something = fits[-1] == 0  # the image's own: 1 where all fit alike
    slots = caches.noun_slots(image_index, [phrase_index], 1)
    has_head_map = slots.noun_mask[0, 0] and slots.noun_roles[0, 0] == HEAD_ROLE
    maps = caches.cams(image_index)["maps"]
    return BaselineInputs(
        image_hw=caches.images[image_index].image_hw,
        boxes_xyxy=proposals["boxes_xyxy"],
        scores=proposals["scores"],
        matches=fits[:-1] * says_something,
        is_plural=bool(caches.are_plural([phrase_index])[0]),
        cam=maps[slots.map_index[0, 0]] if has_head_map else None,
    )


def read_directions(nouns: Path) -> dict[str, bool]:
    """Say of every phrase whether a word such as "left" stands in it.

    Raises:
        CacheError: the cache of the nouns stage is missing, damaged or foreign.
    """
    cache = Cache(nouns, stage="nouns")
    flags = cache.array("has_direction").tolist()
    return dict(zip(cache.texts("phrase"), flags, strict=True))


def read_detector(proposals: Path) -> tuple[str, str]:
    """Return which detector made the proposals, and what it was trained on.

    Raises:
        CacheError: the cache of the proposals stage is missing, damaged or foreign.
    """
    cache = Cache(proposals, stage="proposals")
    return str(cache.attribute("detector")), str(cache.attribute("training_set"))
