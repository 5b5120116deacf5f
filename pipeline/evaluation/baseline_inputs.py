"""What a method without training may look at, from the tables."""

from pathlib import Path

from pipeline.caching.cache import Cache
from pipeline.errors import InputError
from pipeline.evaluation.baselines import BaselineInputs
from pipeline.evaluation.place_evidence import place_evidence
from pipeline.mentions import HEAD_ROLE
from pipeline.samples.grounding_tables import GroundingTables


def build_baseline_inputs(
    tables: GroundingTables, image_index: int, phrase_index: int
) -> BaselineInputs:
    """Return what may be looked at to localise a phrase.

    Args:
        tables: what is known of images and phrases.
        image_index: of the phrase's image in its table.
        phrase_index: of the phrase in its table.

    Raises:
        CacheError: a cache does not know the image or the phrase.
    """
    facts = tables.gather(image_index, [phrase_index], max_nouns=1)
    slots, similarity = facts.slots, facts.label_similarity[0]  # (L + 1,)
    is_head = slots.noun_mask[0, 0] and slots.noun_roles[0, 0] == HEAD_ROLE
    says_something = similarity[-1] == 0  # the image's own: 1 where all fit alike
    matches = similarity[facts.proposals["labels"]] * says_something  # (R,)
    return BaselineInputs(
        image_hw=facts.image.image_hw,
        boxes_xyxy=facts.proposals["boxes_xyxy"],
        scores=facts.proposals["scores"],
        matches=matches,
        is_plural=bool(facts.is_plural[0]),
        place=place_evidence(facts, matches),
        cam=facts.maps[slots.map_index[0, 0]] if is_head else None,
    )


def check_detectors(proposals: Path, learned: Path) -> None:
    """Check that the proposals of two datasets come from detectors of the same labels.

    Args:
        proposals: cache of the dataset that a model is asked on.
        learned: cache of the dataset that it was trained on.

    Raises:
        InputError: the labels differ; `CacheError` where a cache is missing, damaged or foreign.
    """
    here, there = (Cache(path, stage="proposals").texts("label") for path in (proposals, learned))
    if list(here) != list(there):
        raise InputError(
            f"{proposals}: its detector knows other labels than that of {learned}; give both "
            "datasets the same `weights` in params.yaml"
        )


def read_detector(proposals: Path) -> tuple[str, str]:
    """Return which detector made the proposals, and what it was trained on.

    Raises:
        CacheError: the cache of the proposals stage is missing, damaged or foreign.
    """
    cache = Cache(proposals, stage="proposals")
    return str(cache.attribute("detector")), str(cache.attribute("training_set"))
