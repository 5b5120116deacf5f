"""A picture of 50 x 30 pixels with a dog and a cat, and phrases about it."""

import numpy as np

from pipeline.evaluation.baselines import BaselineInputs
from pipeline.evaluation.phrase_results import AnnotatedPhrase, evaluate_phrase
from pipeline.evaluation.place_evidence import PlaceEvidence
from pipeline.params.schema import EvaluateParams
from pipeline.records import GroundTruth, PhraseRecord

PARAMS = EvaluateParams(
    batch_images=2,
    phrases_per_image=3,
    iou=0.5,
    cam_threshold=0.4,
    resamples=50,
    attention_phrases=2,
    seed=0,
)
DOG, CAT = [2.0, 3, 22, 23], [25.0, 5, 45, 28]
WRONG = [0.0, 0, 3, 2]


def scene(matches=(1, 0)):
    return BaselineInputs(
        image_hw=(30, 50),
        boxes_xyxy=np.array([DOG, CAT], np.float32),
        scores=np.array([0.9, 0.4], np.float32),
        matches=np.array(matches, np.float32),
        is_plural=False,
        place=PlaceEvidence(np.zeros(2), np.zeros(2)),
        cam=None,
    )


def phrase_truth(number=0, phrase="the dog", image="a", boxes=(DOG,), kinds=("animals",)):
    name = f"p{number}"
    record = PhraseRecord(name, image, "val", phrase)
    return AnnotatedPhrase(record, GroundTruth(name, tuple(map(tuple, boxes)), kinds), False)


def phrase_result(asked, reg=WRONG, **kwargs):
    predicted = {"reg": np.array(reg), "proposal": np.array(CAT)}
    return evaluate_phrase(asked, scene(**kwargs), predicted, PARAMS)
