import numpy as np
import pytest

from pipeline.samples.image_phrases import ImagePhrases


def test_phrases_are_grouped_by_their_image_in_order():
    grouped = ImagePhrases.group(np.array([5, 2, 5, 0, 2, 5]))
    assert dict(grouped) == {0: [3], 2: [1, 4], 5: [0, 2, 5]}
    assert [*grouped] == [0, 2, 5]
    assert grouped == {0: [3], 2: [1, 4], 5: [0, 2, 5]}
    assert grouped != {0: [3], 2: [4, 1], 5: [0, 2, 5]}
    assert grouped != 3
    many = np.random.default_rng(0).integers(0, 5, 999)
    assert ImagePhrases.group(many) == {n: np.flatnonzero(many == n).tolist() for n in range(5)}


@pytest.mark.parametrize("image", [-1, 1, 6])
def test_an_image_without_phrases_is_no_key(image):
    grouped = ImagePhrases.group(np.array([5, 2, 5, 0, 2, 5]))
    assert image not in grouped
    with pytest.raises(KeyError):
        grouped[image]


def test_a_mapping_becomes_arrays_and_arrays_stay():
    grouped = ImagePhrases.of({3: [7, 1], 0: [2]})
    assert grouped.phrases.tolist() == [2, 7, 1]
    assert grouped == {0: [2], 3: [7, 1]}
    assert ImagePhrases.of(grouped) is grouped
    assert len(ImagePhrases.of({})) == 0
