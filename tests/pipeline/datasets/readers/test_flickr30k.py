import pytest

from pipeline.datasets.duplicates import mark_file
from pipeline.datasets.readers.flickr30k import parse_sentence, plan_flickr30k, read_flickr30k_image
from pipeline.datasets.readers.flickr30k_boxes import BadAnnotationError
from pipeline.errors import InputError
from pipeline.params.datasets import Flickr30kDataset
from pipeline.records import GroundTruth, ImageRecord, PhraseRecord
from tests.tiny_world import write_annotation, write_sentences, write_tiny_flickr30k


@pytest.fixture
def root(tmp_path):
    return write_tiny_flickr30k(tmp_path / "tiny")


def plan(root, train_images=0, eval_images=0):
    images = str(root / "flickr30k-images")
    section = Flickr30kDataset("flickr30k", str(root), images, train_images, eval_images)
    return plan_flickr30k("tiny", section)


def read_image_of(root, item):
    return read_flickr30k_image(root, root / "flickr30k-images", item)


def causes(reading):
    return [(problem.kind, problem.cause) for problem in reading.bad]


def test_a_sentence_loses_its_marks_and_a_mention_keeps_its_place():
    plain, [one, two] = parse_sentence("So [/EN#8/people/other two men] eat [/EN#0/notvisual it] .")
    assert plain == "So two men eat it ."
    assert (one.chain, one.kinds, one.phrase) == ("8", ("people", "other"), "two men")
    assert plain[slice(*one.span)] == "two men"
    assert plain[slice(*two.span)] == "it"
    assert (one.is_visual, two.is_visual) == (True, False)


@pytest.mark.parametrize("mark", ["0/other", "0/notvisual", "5/notvisual", "5/other/notvisual"])
def test_chain_zero_and_what_is_not_visual_are_no_phrases_to_localise(mark):
    assert not parse_sentence(f"[/EN#{mark} a smile]")[1][0].is_visual


def test_a_mark_without_words_is_an_empty_phrase():
    for mark in ("[/EN#8/other ]", "[/EN#8/other]"):
        plain, [mention] = parse_sentence(f"see {mark}")
        assert (plain, mention.phrase, mention.span) == ("see", "", (4, 4))


@pytest.mark.parametrize("character", "\u2028\u2029\x85\x0b\x0c\x1c\r")
def test_a_caption_is_a_line_whatever_is_in_it(root, character):
    path = root / "Sentences" / "201.txt"
    before = read_image_of(root, ("201", "val"))
    path.write_bytes(path.read_bytes().replace(b" in [", f"{character}in [".encode()))
    after = read_image_of(root, ("201", "val"))
    assert f"{character}in fog" in after.phrases[0].sentence
    assert [one.phrase_id for one in after.phrases] == [one.phrase_id for one in before.phrases]
    assert after.ground_truth == before.ground_truth


@pytest.mark.parametrize("character", "\u2028\x85\x1c ")
def test_an_id_is_a_line_whatever_is_in_it(root, character):
    (root / "val.txt").write_bytes(b"\xef\xbb\xbf" + f"20{character}1\r\n\n201 \n".encode())
    assert [item for item in plan(root).items if item[1] == "val"] == [
        (f"20{character}1", "val"),
        ("201", "val"),
    ]


def test_ids_that_no_file_can_hold_are_bad_and_a_list_of_bad_bytes_is_named(root):
    (root / "val.txt").write_text("20\x001\n201\n" + "2" * 300)
    given = plan(root)
    assert [item for item in given.items if item[1] == "val"] == [("201", "val")]
    assert [problem.kind for problem in given.bad] == ["image", "image"]

    (root / "val.txt").write_bytes(b"20\xff1\n")
    with pytest.raises(InputError, match=r"val\.txt: cannot be read"):
        plan(root)


@pytest.mark.parametrize("character", "\u2028\x85\x1c")
def test_an_id_ends_with_its_line(root, character):
    (root / "val.txt").write_text(f"\t7{character} \n", encoding="utf-8", newline="")
    assert (f"7{character}", "val") in plan(root).items


def test_kinds_with_a_nul_are_bad(root):
    write_sentences(root, "102", ["[/EN#5/ani\x00mals a dog] and [/EN#6/animals a cat]"])
    reading = read_image_of(root, ("102", "train"))
    assert [record.phrase for record in reading.phrases] == ["a cat"]
    assert causes(reading) == [("phrase", "a text holds a NUL character")]
    assert reading.file_mark == mark_file(root / "flickr30k-images" / "102.jpg")


def test_a_phrase_with_a_nul_is_bad(root):
    path = root / "Sentences" / "201.txt"
    path.write_bytes(path.read_bytes().replace("Mädchen".encode(), b"M\x00dchen"))
    reading = read_image_of(root, ("201", "val"))
    assert [one.phrase_id for one in reading.phrases] == ["201/0/1", "201/1/1"]
    assert ("phrase", "a text holds a NUL character") in causes(reading)


@pytest.mark.parametrize("line", ["[/EN#8/people two men", "[/EN#8/people a [/EN#9/other b] c]"])
def test_marks_that_do_not_close_or_stand_in_another_are_refused(line):
    with pytest.raises(BadAnnotationError, match="markup does not parse"):
        parse_sentence(line)


def test_an_evaluation_image_gives_the_phrases_that_have_a_box(root):
    reading = read_image_of(root, ("201", "val"))
    assert reading.image == ImageRecord("201", "201.jpg", (48, 64), "val")
    sentence = "Ein Mädchen with crêpes “à la carte” in fog"
    assert reading.phrases == (
        PhraseRecord("201/0/0", "201", "val", "Ein Mädchen", sentence, (0, 11)),
        PhraseRecord("201/0/1", "201", "val", "crêpes “à la carte”", sentence, (17, 36)),
        PhraseRecord(
            "201/1/1", "201", "val", "two things", "There she holds two things for fun .", (16, 26)
        ),
    )
    two_boxes = ((29.0, 4.0, 45.0, 20.0), (49.0, 24.0, 64.0, 48.0))
    assert reading.ground_truth == (
        GroundTruth("201/0/0", ((1.0, 2.0, 21.0, 33.0),), ("people",)),
        GroundTruth("201/0/1", two_boxes, ("other",)),
        GroundTruth("201/1/1", two_boxes, ("other",)),
    )
    assert reading.bad == ()


def test_a_box_of_two_chains_answers_the_phrases_of_both(root):
    reading = read_image_of(root, ("202", "val"))
    assert [truth.boxes_xyxy for truth in reading.ground_truth] == [((10.0, 5.0, 40.0, 25.0),)] * 2


def test_all_kinds_of_a_thing_are_kept(root):
    reading = read_image_of(root, ("301", "test"))
    assert reading.ground_truth[0].kinds == ("vehicles", "scene")


def test_a_training_image_gives_all_visual_phrases_and_no_ground_truth(root):
    reading = read_image_of(root, ("101", "train"))
    phrases = [record.phrase for record in reading.phrases]
    assert phrases == ["A man", "the street", "Someone", "a road"]
    assert reading.ground_truth == ()


def test_the_annotation_of_a_training_image_is_not_even_opened(root):
    before = read_image_of(root, ("101", "train"))
    (root / "Annotations" / "101.xml").unlink()
    assert read_image_of(root, ("101", "train")) == before


def test_a_greyscale_image_is_an_image_like_others(root):
    reading = read_image_of(root, ("102", "train"))
    assert reading.image == ImageRecord("102", "102.jpg", (30, 50), "train")


def test_a_missing_image_is_bad(root):
    (root / "flickr30k-images" / "201.jpg").unlink()
    reading = read_image_of(root, ("201", "val"))
    assert (reading.image, reading.phrases) == (None, ())
    assert causes(reading) == [("image", "the image cannot be read")]
    assert "201.jpg" in reading.bad[0].detail


def test_a_truncated_image_is_found_though_its_header_is_whole(root):
    path = root / "flickr30k-images" / "201.jpg"
    path.write_bytes(path.read_bytes()[:-150])
    assert causes(read_image_of(root, ("201", "val"))) == [("image", "the image cannot be read")]


def test_missing_sentences_and_broken_annotations_are_bad(root):
    (root / "Sentences" / "201.txt").unlink()
    (root / "Annotations" / "202.xml").write_text("<annotation><object>")
    for image_id in ("201", "202"):
        reading = read_image_of(root, (image_id, "val"))
        assert causes(reading) == [("image", "the annotation cannot be read")]
        assert image_id in reading.bad[0].detail


@pytest.mark.parametrize("part", ["Sentences/201.txt", "Annotations/201.xml"])
def test_a_web_page_in_place_of_a_file_makes_a_bad_image(root, part):
    (root / part).write_text("<!DOCTYPE html><title>404</title>")
    reading = read_image_of(root, ("201", "val"))
    assert causes(reading) == [("image", "the annotation cannot be read")]
    assert "web page" in reading.bad[0].detail


def test_sentences_that_are_no_utf8_are_bad(root):
    (root / "Sentences" / "102.txt").write_bytes(b"[/EN#1/other caf\xe9]")
    reading = read_image_of(root, ("102", "train"))
    assert causes(reading) == [("image", "the annotation cannot be read")]


def test_boxes_made_for_an_image_of_another_size_are_refused(root):
    write_annotation(root, "202", (140, 60), [(["21"], (22, 12, 80, 50))])
    reading = read_image_of(root, ("202", "val"))
    assert causes(reading) == [("image", "the annotation cannot be read")]
    assert "(60, 140)" in reading.bad[0].detail
    assert "(30, 70)" in reading.bad[0].detail


def test_an_empty_phrase_is_skipped_and_named(root):
    write_sentences(root, "102", ["[/EN#5/animals ] and [/EN#5/animals a dog]"])
    reading = read_image_of(root, ("102", "train"))
    assert [record.phrase_id for record in reading.phrases] == ["102/0/1"]
    assert causes(reading) == [("phrase", "the phrase has no words")]
    assert reading.bad[0].detail == "102/0/0"


def test_a_sentence_whose_marks_do_not_parse_is_skipped_and_others_stay(root):
    write_sentences(root, "102", ["[/EN#5/animals a dog", "[/EN#5/animals a cat]"])
    reading = read_image_of(root, ("102", "train"))
    assert [record.phrase_id for record in reading.phrases] == ["102/1/0"]
    assert causes(reading) == [("phrase", "the markup does not parse")]
    assert reading.bad[0].detail.startswith("102: ")


def test_a_phrase_whose_only_box_is_outside_is_no_phrase_to_evaluate(root):
    write_annotation(root, "202", (70, 30), [(["21"], (80, 6, 90, 25)), (["22"], (60, 6, 90, 25))])
    reading = read_image_of(root, ("202", "val"))
    assert [record.phrase for record in reading.phrases] == ["a pair"]
    assert reading.ground_truth[0].boxes_xyxy == ((59.0, 5.0, 70.0, 25.0),)
    assert [kind for kind, _ in causes(reading)] == ["phrase", "phrase"]


def test_the_plan_lists_each_split_in_its_order(root):
    items = plan(root).items
    assert items == (
        *(("101", "train"), ("102", "train")),
        *(("201", "val"), ("202", "val"), ("301", "test")),
    )


def test_the_plan_takes_the_first_images_of_each_split(root):
    items = plan(root, 1, 1).items
    assert items == (("101", "train"), ("201", "val"), ("301", "test"))
    assert plan(root, 1, 2).items == (items[0], items[1], ("202", "val"), items[2])
    assert plan(root, 0, 1).items == (items[0], ("102", "train"), *items[1:])


def test_a_missing_root_names_the_path_and_the_key(tmp_path):
    with pytest.raises(InputError, match=r"nowhere.*datasets\.tiny\.root"):
        plan(tmp_path / "nowhere")


@pytest.mark.parametrize("part", ["Sentences", "Annotations"])
def test_a_missing_part_of_the_layout_is_named(root, part):
    (root / part).rename(root / "elsewhere")
    with pytest.raises(InputError, match=part):
        plan(root)


def test_a_missing_folder_of_images_is_named(root):
    (root / "flickr30k-images").rename(root / "elsewhere")
    with pytest.raises(InputError, match=r"images.*datasets\.tiny\.images"):
        plan(root)


def test_without_a_training_split_the_others_are_read(root):
    (root / "train.txt").unlink()
    assert {split for _, split in plan(root).items} == {"val", "test"}


def test_there_must_be_something_to_evaluate_on(root):
    (root / "val.txt").unlink()
    (root / "test.txt").unlink()
    with pytest.raises(InputError, match=r"val\.txt.*test\.txt"):
        plan(root)


def test_an_image_in_two_splits_is_refused(root):
    (root / "val.txt").write_text("201\n102\n")
    with pytest.raises(InputError, match=r"val\.txt.*\b102\b.*train\.txt"):
        plan(root)


@pytest.mark.real
def test_every_real_image_and_phrase_parses(real):
    root = real / "flickr30k"
    readings = [read_image_of(root, item) for item in plan(root).items]
    assert [reading.bad for reading in readings if reading.bad] == []
    val = [reading for reading in readings if reading.image.split == "val"]
    assert (len(readings) - len(val), len(val)) == (4000, 247)
    assert sum(len(reading.ground_truth) for reading in val) == 3239
    assert sum(len(reading.phrases) for reading in val) == 3239


@pytest.mark.parametrize("part", ["Sentences/7.txt", "Annotations/7.xml", "flickr30k-images/7.jpg"])
def test_a_file_that_lies_elsewhere_makes_a_bad_image(root, tmp_path_factory, part):
    good = next(image_id for image_id, split in plan(root).items if split != "train")
    for folder, suffix in (
        ("Sentences", "txt"),
        ("Annotations", "xml"),
        ("flickr30k-images", "jpg"),
    ):
        content = (root / folder / f"{good}.{suffix}").read_bytes()
        (root / folder / f"7.{suffix}").write_bytes(content)
    assert read_image_of(root, ("7", "test")).bad == ()
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "secret"
    (root / part).rename(elsewhere)
    (root / part).symlink_to(elsewhere)
    reading = read_image_of(root, ("7", "test"))
    assert reading.image is None
    assert part in reading.bad[0].detail


def test_an_id_leads_nowhere_else(root):
    good = next(image_id for image_id, split in plan(root).items if split == "train")
    reading = read_image_of(root, (f"../../{root.name}/flickr30k-images/{good}", "train"))
    assert reading.image is None


@pytest.mark.parametrize("problem", ["link", "web page"])
def test_a_list_of_ids_is_the_data_sets_own_and_no_web_page(root, problem):
    ids = (root / "val.txt").read_text()
    (root / "val.txt").unlink()
    if problem == "link":
        (root.parent / "val.txt").write_text(ids)
        (root / "val.txt").symlink_to(root.parent / "val.txt")
    else:
        (root / "val.txt").write_text("<!DOCTYPE html><title>404</title>")
    with pytest.raises(InputError, match=rf"val\.txt.*{problem}"):
        plan(root)


def test_one_list_to_evaluate_on_is_enough(root):
    (root / "test.txt").unlink()
    assert {split for _, split in plan(root).items} == {"train", "val"}
