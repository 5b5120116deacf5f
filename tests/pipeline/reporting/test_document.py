import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from pipeline.reporting.document import (
    Card,
    Paragraph,
    Picture,
    Section,
    Table,
    Tile,
    checked,
    pictures_of,
    to_html,
    to_markdown,
)
from tests.pipeline.reporting.page import CHROMIUM, look

EVIL = "<script>alert(\"1\")</script> & 'grün' 🐕 | *x* [a](b) {{ 6*7 }} {% raw %}"
TAGS = {EVIL: [EVIL, "other"]}
FEW = [(False, "x"), (True, "y")]
PICTURE = Picture("a.jpg", b"\xff\xd8bytes", EVIL)


def everything():
    return [
        Section(EVIL, [Paragraph(EVIL), Paragraph(EVIL, warning=True)]),
        Section("Tables", [Table((EVIL, "b"), [(EVIL, EVIL)], frozenset({0})), PICTURE]),
        Section(
            "Others",
            [[Tile(EVIL, EVIL, EVIL)], [Card(EVIL, EVIL, True, EVIL, [PICTURE], TAGS)], []],
        ),
    ]


def with_text(text):
    """Return, for each place of a text in a document, a section that holds another value there."""
    picture, tile = Picture("a.jpg", b"", "b"), Tile("a", "b", "c")
    card = Card("a", "b", True, "c", [picture], {"d": ["e"]})
    blocks = [
        Paragraph(text),
        *(Table(columns, rows) for columns, rows in ((["a", text], []), (["a"], [["b"], [text]]))),
        *(replace(picture, **{name: text}) for name in ("name", "caption")),
        *([tile, replace(tile, **{name: text})] for name in ("label", "value", "note")),
        *([card, replace(card, **{name: text})] for name in ("title", "badge", "text")),
        [replace(card, panels=[picture, replace(picture, caption=text)])],
        *([replace(card, tags=tags)] for tags in ({"d": ["e", text]}, {"d": [], text: []})),
    ]
    return [Section(text, []), *(Section("a", [Paragraph("b"), block]) for block in blocks)]


@pytest.mark.parametrize("value", [0.5, None])
def test_every_text_of_a_document_must_be_one(value):
    assert checked(everything()) == everything()
    for number, (right, wrong) in enumerate(zip(with_text("x"), with_text(value), strict=True)):
        assert checked([right]) == [right], number
        with pytest.raises(TypeError):
            checked([right, wrong])


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.classes, self.texts, self.sources = set(), set(), [], []
        self.tags_of_cards = []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.classes |= {name for key, value in attrs if key == "class" for name in value.split()}
        self.tags_of_cards += [json.loads(value) for name, value in attrs if name == "data-tags"]
        self.sources += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.texts.append(data)


def read(html):
    reader = Reader()
    reader.feed(html)
    return reader


def test_no_text_becomes_a_tag_and_each_is_read_back_unchanged():
    html = to_html(EVIL, EVIL, everything())
    reader = read(html)
    assert html.count("<script") == 1  # the page's own
    texts = [text.strip() for text in reader.texts]
    assert texts.count(EVIL) == 20
    assert reader.tags_of_cards == [{EVIL: [EVIL, "other"]}]


def test_a_cell_may_be_broken_behind_an_underscore():
    page = to_html("t", "s", [Section("x", [Table(["a_b"], [["<i>_c__d"]])])])
    assert "<td>&lt;i&gt;_<wbr>c_<wbr>_<wbr>d</td>" in re.sub(r"<td[^>]*>\s*", "<td>", page)


def test_a_section_is_linked_by_the_letters_of_its_title():
    html = to_html("t", "s", [Section(" Hits & Misses (2)", []), Section("Data", [])])
    for name in ("hits-misses-2", "data"):
        assert f'href="#{name}"' in html
        assert f'id="{name}"' in html


def test_the_page_needs_no_other_file():
    html = to_html("t", "s", everything())
    sources = read(html).sources
    assert all(source.startswith(("data:image/jpeg;base64,", "#")) for source in sources)
    assert "data:image/jpeg;base64,/9hieXRlcw==" in sources
    assert "http" not in html
    assert "@import" not in html


def test_markdown_shows_text_as_text_and_pictures_from_beside():
    text = to_markdown("t", "s", everything())
    assert "<script>" not in text
    assert "\\<script\\>" in text
    assert text.count("](pictures/a.jpg)") == 2


def test_a_markdown_table_keeps_its_columns_whatever_the_cells_hold():
    text = to_markdown("t", "s", [Section("x", [Table(("a", "b"), [("1|2", "3\n4")])])])
    assert text == "# t\n\ns\n\n## x\n\n| a | b |\n| --- | --- |\n| 1\\|2 | 3 4 |\n"


def test_numbers_and_examples_are_lines_of_markdown():
    tile, panels = Tile("hits", "5 %", "n=3"), [replace(PICTURE, caption=one) for one in "ab"]
    cards = [Card("t", "miss", False, "why", panels, {}), Card("u", "hit", True, "", [], {})]
    text = to_markdown("t", "s", [Section("x", [[tile, tile], cards])])
    number, images = "- hits: **5 %** (n=3)", "![a](pictures/a.jpg) ![b](pictures/a.jpg)"
    parts = [number, number, "t: miss. why", images, "u: hit. "]
    assert text.partition("## x\n\n")[2].split("\n\n")[:5] == parts


def test_strong_rows_and_good_examples_are_marked():
    table = Table(("a",), [["1"], ["2"], ["3"]], frozenset({1}))
    cards = [Card("a", name, name == "hit", "", [], {}) for name in ("hit", "miss")]
    page = to_html("t", "s", [Section("x", [table, cards])])
    assert re.findall(r"<tr( [^>]*)?>\s*<td>(\d)", page) == [
        ("", "1"),
        (' class="strong"', "2"),
        ("", "3"),
    ]
    assert re.findall(r'class="(\w+)">(hit|miss)<', page) == [("good", "hit"), ("bad", "miss")]


def test_a_warning_stands_out_and_other_text_does_not():
    section = Section("x", [Paragraph("plain"), Paragraph("danger", warning=True)])
    assert to_markdown("t", "s", [section]).endswith("\n\nplain\n\n**danger**\n")
    html = to_html("t", "s", [section])
    assert html.count("warning>danger") + html.count('warning">danger') == 1
    assert "<p>plain</p>" in html


def test_all_pictures_are_found_in_order():
    assert pictures_of(everything()) == [PICTURE, PICTURE]


def test_every_class_of_a_page_has_a_rule_and_every_rule_its_class():
    cards = [Card("a", "b", is_good, "c", [], {"kind": [name]}) for is_good, name in FEW]
    wide = Table([str(number) for number in range(11)], [])
    html = to_html("t", "s", [*everything(), Section("More", [cards, wide])])
    rules = re.sub(r"\{[^{}]*\}", "", html.partition("<style>")[2].partition("</style>")[0])
    assert read(html).classes == set(re.findall(r"\.([a-z]+)\b", rules))


def test_cards_are_filtered_by_what_differs_among_them():
    cards = [
        Card(
            "a",
            "b",
            True,
            "c",
            [],
            {"result": ["hit"], "kind": ["people", "other"], "split": ["val"]},
        ),
        Card("d", "e", False, "f", [], {"result": ["miss"], "kind": [], "split": ["val"]}),
    ]
    html = to_html("t", "s", [Section("x", [cards])])
    assert re.findall(r'<select name="(\w+)"', html) == ["result", "kind"]
    assert re.findall(r"<option>(\w+)", html) == ["hit", "miss", "other", "people"]


WIDTHS = """
return [...document.querySelectorAll("html, .scroll")].map((it) => [it.scrollWidth, it.clientWidth])
"""
FILTERING = """
const shown = () => [...document.querySelectorAll("article")].map((card) => !card.hidden);
const found = [shown()];
const form = document.querySelector(".filters");
for (const [name, value] of [["result", "miss"], ["result", ""], ["kind", "people"]]) {
  form.elements[name].value = value;
  form.dispatchEvent(new Event("change"));
  found.push(shown());
}
return [...found, form.querySelector("output").value];
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page with the widest tables there are, long words, and cards."""
    hit = {"result": ["hit"], "kind": ["people", "other"]}
    miss = {"result": ["miss"], "kind": [EVIL]}
    cards = [Card("a", "b", True, "c", [], hit), Card("d", "e", False, "f", [], miss)]
    cells = ["three attention layers + 1x1 conv", "fusion_conv1x1", *["57.2 sd 0.5 n=3"] * 2]
    papers = [f"paper {name}" for name in (*["RefCOCO+ val", "testA", "testB"] * 3, "ReferIt test")]
    wide = Table(["row", "variant", "val, final box", "val, best proposal", *papers], [])
    wide = replace(wide, rows=[[*cells, *["54.78"] * len(papers)]])
    long = Table(["parameter", "value"], [["weights.tagger.sha256", "f" * 200]])
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(to_html("t", "s", [Section("x", [wide, long, cards])]), encoding="utf-8")
    return path


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("width", [1200, 800])
def test_nothing_is_cut_off_and_the_console_is_silent(page, width):
    widths, console = look(page, width, WIDTHS)
    assert [(inner, outer) for inner, outer in widths if inner > outer] == []
    assert (len(widths), console) == (3, [])


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_the_gallery_shows_what_is_chosen(page):
    found, console = look(page, 1200, FILTERING)
    assert found == [[True, True], [False, True], [True, True], [True, False], "1 of 2"]
    assert console == []
