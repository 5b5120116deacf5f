"""The boxes of one image of Flickr30K Entities: `Annotations/<id>.xml`.

The files count pixels from 1 and name the first and the last pixel of a box, both inside it.
Here a box has continuous corners, pixel 0 reaching from 0 to 1. So one is subtracted from xmin
and ymin, and xmax and ymax stay: the last pixel, x in the file, reaches from x - 1 to x. A box
from 1 to the width then has exactly the width of the image.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree

from models.given_files.foreign_values import short_text
from pipeline.datasets.box_formats import clip, has_area
from pipeline.errors import InputError
from pipeline.records import Box

_WHOLE_NUMBER = re.compile(r"\s*[+-]?[0-9]{1,9}\s*")  # of pixels: longer ones are none


class BadAnnotationError(InputError):
    """An annotation that cannot be used; the message names file and cause."""


@dataclass(frozen=True)
class BoxFile:
    """The boxes in one annotation file.

    Attributes:
        image_hw: height and width in pixels of the annotated image.
        boxes_by_chain: every box with area of each chain.
        problems: (cause, detail) of every box that was clipped or skipped.
    """

    image_hw: tuple[int, int]
    boxes_by_chain: Mapping[str, tuple[Box, ...]]
    problems: tuple[tuple[str, str], ...]

    def of_chain(self, chain: str) -> tuple[Box, ...]:
        """Return the boxes of a chain; none if it was not annotated or is marked `nobndbox`."""
        return self.boxes_by_chain.get(chain, ())


def parse_boxes(xml: str, source: str) -> BoxFile:
    """Return the boxes of an annotation, clipped to the image.

    A box that reaches out of the image is clipped if an area is left, and skipped if none is.

    Args:
        xml: text of the file.
        source: its name, for messages.

    Raises:
        BadAnnotationError: it is no XML, holds a DOCTYPE (which could make it grow without end),
            or lacks a number.
    """
    root = _parse(xml, source)
    image_hw = (_number(root, "size/height", source), _number(root, "size/width", source))
    boxes: dict[str, list[Box]] = defaultdict(list)
    problems = []
    for thing in root.iter("object"):
        chains = [name.text.strip() for name in thing.findall("name") if name.text]
        for corners in thing.findall("bndbox"):
            box = _read_box(corners, source)
            clipped = clip(box, image_hw)
            if clipped != box or not has_area(box):
                cause = "clipped" if has_area(clipped) else "skipped"
                detail = f"{source}: chain {', '.join(chains)}: {box} in an image of {image_hw}"
                problems.append((f"a box reaches out of the image or has no area: {cause}", detail))
            for chain in chains if has_area(clipped) else ():
                boxes[chain].append(clipped)
    frozen = {chain: tuple(items) for chain, items in boxes.items()}
    return BoxFile(image_hw, frozen, tuple(problems))


def _parse(xml: str, source: str) -> ElementTree.Element:
    if "<!DOCTYPE" in xml:  # entities stand nowhere else
        raise BadAnnotationError(f"{source}: holds a DOCTYPE, which no annotation needs; remove it")
    try:
        return ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise BadAnnotationError(f"{source}: is not XML: {error}") from error


def _read_box(corners: ElementTree.Element, source: str) -> Box:
    """Return a box in continuous corners; see the head of this file."""
    x1, y1, x2, y2 = (_number(corners, side, source) for side in ("xmin", "ymin", "xmax", "ymax"))
    return float(x1 - 1), float(y1 - 1), float(x2), float(y2)


def _number(parent: ElementTree.Element, path: str, source: str) -> int:
    text = parent.findtext(path)
    if _WHOLE_NUMBER.fullmatch(text or "") is None:
        given = short_text(text)
        raise BadAnnotationError(f"{source}: <{path}> must be a whole number, got {given}")
    return int(text or "")
