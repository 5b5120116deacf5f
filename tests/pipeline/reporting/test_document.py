import re
from html.parser import HTMLParser

from pipeline.reporting.document import (
    Card,
    Paragraph,
    Picture,
    Section,
    Table,
    Tile,
    pictures_of,
    to_html,
    to_markdown,
)

EVIL = "<script>alert(\"1\")</script> & 'grün' 🐕 | *x* [a](b) {{ 6*7 }} {% raw %}"
PICTURE = Picture("a.jpg", b"\xff\xd8bytes", EVIL)


def everything():
    return [
        Section(EVIL, [Paragraph(EVIL), Paragraph(EVIL, warning=True)]),
        Section("Tables", [Table((EVIL, "b"), [(EVIL, EVIL)], frozenset({0})), PICTURE]),
        Section(
            "Others", [[Tile(EVIL, EVIL, EVIL)], [Card(EVIL, EVIL, True, EVIL, [PICTURE])], []]
        ),
    ]


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.classes, self.texts, self.sources = set(), set(), [], []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.classes |= {name for key, value in attrs if key == "class" for name in value.split()}
        self.sources += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.texts.append(data)


def read(html):
    reader = Reader()
    reader.feed(html)
    return reader


def test_no_text_becomes_a_tag_and_each_is_read_back_unchanged():
    reader = read(to_html(EVIL, EVIL, everything()))
    assert "script" not in reader.tags
    texts = [text.strip() for text in reader.texts]
    assert texts.count(EVIL) == 18


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
    assert text.endswith("| a | b |\n| --- | --- |\n| 1\\|2 | 3 4 |\n")


def test_a_warning_stands_out_and_other_text_does_not():
    section = Section("x", [Paragraph("plain"), Paragraph("danger", warning=True)])
    assert to_markdown("t", "s", [section]).endswith("\n\nplain\n\n**danger**\n")
    html = to_html("t", "s", [section])
    assert html.count("warning>danger") + html.count('warning">danger') == 1
    assert "<p>plain</p>" in html


def test_all_pictures_are_found_in_order():
    assert pictures_of(everything()) == [PICTURE, PICTURE]


def test_every_class_of_a_page_has_a_rule_and_every_rule_its_class():
    bad = Section("Bad", [[Card("a", "b", False, "c", [])]])
    html = to_html("t", "s", [*everything(), bad])
    rules = re.sub(r"\{[^{}]*\}", "", html.partition("<style>")[2].partition("</style>")[0])
    assert read(html).classes == set(re.findall(r"\.([a-z]+)\b", rules))
