from models.noun_classes.coco_synonyms import COCO_NOUNS, read_table
from models.phrases.lemmas import lemmatise


def test_a_table_row_may_go_on_below_and_holds_its_own_name():
    table = "\nhot dog: frank\n  red_hot\ncat:\n"

    assert read_table(table) == {
        "hot dog": frozenset({"hot dog", "frank", "red hot"}),
        "cat": frozenset({"cat"}),
    }


def test_the_table_has_cocos_80_classes_and_nouns_as_the_nouns_stage_writes_them():
    assert len(COCO_NOUNS) == 80
    words = {noun for nouns in COCO_NOUNS.values() for noun in nouns if " " not in noun}
    odd = {word for word in words if lemmatise(word) != word or word != word.lower()}
    assert odd == {"skis"}  # the class has a plural name
