import numpy as np
import pytest
from PIL import Image

from pipeline.datasets.readers.flickr30k_boxes import BadAnnotationError, parse_boxes
from tests.tiny_world import write_annotation, write_tiny_flickr30k


@pytest.fixture
def annotate(tmp_path):
    """Parse the annotation of an image 64 wide and 48 high with the objects given."""
    (tmp_path / "Annotations").mkdir()

    def parse(*objects):
        write_annotation(tmp_path, "7", (64, 48), list(objects))
        return parse_boxes((tmp_path / "Annotations" / "7.xml").read_text(), "7.xml")

    return parse


def test_the_first_pixel_reaches_from_zero_to_one(annotate):
    assert annotate((["3"], (1, 1, 1, 1))).of_chain("3") == ((0.0, 0.0, 1.0, 1.0),)


def test_a_box_over_the_whole_image_has_its_width_and_height(annotate):
    [box] = annotate((["3"], (1, 1, 64, 48))).of_chain("3")
    assert box == (0.0, 0.0, 64.0, 48.0)
    assert {type(side) for side in box} == {float}


def test_boxes_frame_exactly_the_pixels_that_were_drawn(tmp_path):
    write_tiny_flickr30k(tmp_path)
    pixels = np.asarray(Image.open(tmp_path / "flickr30k-images" / "201.jpg")).astype(int)
    boxes = parse_boxes((tmp_path / "Annotations" / "201.xml").read_text(), "201.xml")
    x1, y1, x2, y2 = map(int, boxes.of_chain("11")[0])
    assert pixels[y1:y2, x1:x2, 0].min() > 200  # drawn
    assert pixels[y1 - 2 : y1 - 1, x1:x2, 0].max() < 170  # one pixel of JPEG's blur away
    assert pixels[y1:y2, x2 + 1 : x2 + 2, 0].max() < 170


def test_the_image_size_is_height_then_width(annotate):
    assert annotate().image_hw == (48, 64)


def test_a_chain_has_all_its_boxes_and_a_box_all_its_chains(annotate):
    boxes = annotate((["3"], (1, 1, 4, 5)), (["3", "4"], (11, 12, 13, 14)))
    assert boxes.of_chain("3") == ((0, 0, 4, 5), (10, 11, 13, 14))
    assert boxes.of_chain("4") == ((10, 11, 13, 14),)


def test_a_scene_without_a_box_and_an_unknown_chain_have_none(annotate):
    boxes = annotate((["3"], None))
    assert boxes.of_chain("3") == boxes.of_chain("99") == ()
    assert boxes.problems == ()


def test_a_box_that_reaches_out_is_clipped_and_reported(annotate):
    boxes = annotate((["3"], (60, 0, 70, 20)))
    assert boxes.of_chain("3") == ((59.0, 0.0, 64.0, 20.0),)
    [(cause, detail)] = boxes.problems
    assert "clipped" in cause
    assert "7.xml: chain 3" in detail


@pytest.mark.parametrize("corners", [(70, 5, 80, 20), (5, 50, 9, 60), (20, 5, 10, 9), (3, 9, 8, 4)])
def test_a_box_without_area_in_the_image_is_skipped_and_reported(annotate, corners):
    boxes = annotate((["3"], corners))
    assert boxes.of_chain("3") == ()
    assert "skipped" in boxes.problems[0][0]


def test_broken_xml_is_named():
    with pytest.raises(BadAnnotationError, match=r"a/7\.xml"):
        parse_boxes("<annotation><size>", "a/7.xml")


def test_an_entity_bomb_is_refused_before_it_is_parsed():
    bomb = '<!DOCTYPE a [<!ENTITY b "bb">]><annotation>&b;</annotation>'
    with pytest.raises(BadAnnotationError, match="DOCTYPE"):
        parse_boxes(bomb, "7.xml")


@pytest.mark.parametrize("number", ["9" * 400, "9" * 5000, "1_0", "\u0665", "1e2", "inf"])
def test_what_is_no_number_of_pixels_is_named(annotate, number):
    with pytest.raises(BadAnnotationError, match=r"7\.xml: <xmax> must be a whole number"):
        annotate((["3"], (1, 1, number, 3)))


def test_a_missing_or_odd_number_is_named(annotate):
    with pytest.raises(BadAnnotationError, match=r"size/height.*None"):
        parse_boxes("<annotation/>", "7.xml")
    with pytest.raises(BadAnnotationError, match=r"xmax.*'1\.5'"):
        annotate((["3"], (1, 1, 1.5, 3)))
