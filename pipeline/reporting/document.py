"""A document made of few kinds of blocks, as self-contained HTML and as Markdown.

All text is plain: it is escaped where it is put into HTML (by Jinja, in `templates/`) or Markdown.
HTML holds its pictures, its style and a script that filters cards; it loads nothing.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from models.given_files.foreign_values import short_text


@dataclass(frozen=True)
class Paragraph:
    """Some sentences; a `warning` is set off."""

    text: str
    warning: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of equal length; the first column names the row, `strong` rows stand out."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    strong: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Picture:
    """An encoded picture.

    Attributes:
        name: its file name, beside the Markdown; the suffix tells the encoding.
        content: the bytes of the file.
        caption: what it shows, shown with it.
    """

    name: str
    content: bytes
    caption: str


@dataclass(frozen=True)
class Tile:
    """One number that matters."""

    label: str
    value: str
    note: str


@dataclass(frozen=True)
class Card:
    """One example: pictures side by side under a title, with a word of judgement.

    Attributes:
        title: of the example.
        badge: the judgement.
        good: whether it is a good one.
        text: more about it.
        panels: the pictures.
        tags: what cards can be filtered by, and the values that this one has of it.
    """

    title: str
    badge: str
    good: bool
    text: str
    panels: Sequence[Picture]
    tags: Mapping[str, Sequence[str]]


Block = Paragraph | Table | Picture | Sequence[Tile] | Sequence[Card]


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: Sequence[Block]


def checked(sections: Sequence[Section]) -> Sequence[Section]:
    """Return the sections if each of their texts is one; values of a file may be of any type.

    Raises:
        TypeError: one is none.
    """
    blocks = [block for section in sections for block in section.blocks]
    texts = [section.title for section in sections] + [
        text for one in blocks for text in _texts(one)
    ]
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(f"expected a text, found {short_text(text)}")
    return sections


def _texts(block: Block | Tile | Card) -> list[Any]:
    if isinstance(block, Paragraph):
        return [block.text]
    if isinstance(block, Table):
        return [cell for row in (block.columns, *block.rows) for cell in row]
    if isinstance(block, Picture):
        return [block.name, block.caption]
    if isinstance(block, Tile):
        return [block.label, block.value, block.note]
    if isinstance(block, Card):
        tags = [text for name, values in block.tags.items() for text in (name, *values)]
        panels = [text for panel in block.panels for text in _texts(panel)]
        return [block.title, block.badge, block.text, *tags, *panels]
    return [text for item in block for text in _texts(item)]


def to_html(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """Return the document as one HTML page that needs no other file."""
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "anchor": _anchor,
        "data_url": _data_url,
        "kind": _kind,
        "choices": _choices,
        "breakable": _breakable,
    }
    page = templates.get_template("document.html")
    return page.render(title=title, subtitle=subtitle, sections=sections) + "\n"


def to_markdown(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """Return the document as Markdown that shows pictures from files beside it."""
    parts = [f"# {_plain(title)}", _plain(subtitle)]
    for section in sections:
        parts.append(f"## {_plain(section.title)}")
        parts += [_markdown_block(block) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def pictures_of(sections: Sequence[Section]) -> list[Picture]:
    """Return every picture of a document, in order."""
    pictures: list[Picture] = []
    for block in (block for section in sections for block in section.blocks):
        if isinstance(block, Picture):
            pictures.append(block)
        elif not isinstance(block, Paragraph | Table):
            pictures += [panel for card in block if isinstance(card, Card) for panel in card.panels]
    return pictures


def _kind(block: Block) -> str:
    """Return how the template shows a block; a sequence without items is shown as no cards."""
    if isinstance(block, Paragraph | Table | Picture):
        return type(block).__name__.lower()
    return "tiles" if block and isinstance(block[0], Tile) else "cards"


def _breakable(text: str) -> Markup:
    """Return a cell's text as HTML that may be broken behind each `_`."""
    return Markup("_<wbr>").join(text.split("_"))


def _choices(cards: Sequence[Card]) -> dict[str, list[str]]:
    """Return what cards can be filtered by, with the values to choose from where they differ."""
    values: dict[str, dict[str, None]] = {}
    for name, own in (pair for card in cards for pair in card.tags.items()):
        values.setdefault(name, {}).update(dict.fromkeys(own))
    return {name: sorted(found) for name, found in values.items() if len(found) > 1}


def _data_url(picture: Picture) -> str:
    kind = {"jpg": "jpeg"}.get(suffix := picture.name.rpartition(".")[2], suffix)
    return f"data:image/{kind};base64,{base64.b64encode(picture.content).decode()}"


def _markdown_block(block: Block) -> str:
    if isinstance(block, Paragraph):
        return f"**{_plain(block.text)}**" if block.warning else _plain(block.text)
    if isinstance(block, Table):
        rows = [block.columns, ["---"] * len(block.columns), *block.rows]
        return "\n".join("| " + " | ".join(_plain(cell) for cell in row) + " |" for row in rows)
    if isinstance(block, Picture):
        return _markdown_image(block)
    return "\n\n".join(_markdown_item(item) for item in block)


def _markdown_item(item: Tile | Card) -> str:
    if isinstance(item, Tile):
        return f"- {_plain(item.label)}: **{_plain(item.value)}** ({_plain(item.note)})"
    panels = " ".join(_markdown_image(panel) for panel in item.panels)
    return f"{_plain(item.title)}: {_plain(item.badge)}. {_plain(item.text)}\n\n{panels}"


def _markdown_image(picture: Picture) -> str:
    return f"![{_plain(picture.caption)}](pictures/{picture.name})"


def _plain(text: str) -> str:
    """Keep text from being read as Markdown or HTML: one line, special characters escaped."""
    return re.sub(r"([\\`*_\[\]<>|~#])", r"\\\1", " ".join(text.split()))


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
