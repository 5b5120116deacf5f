"""A hand-made data set in the layout of Flickr30K Entities: five pictures of coloured rectangles.

| id  | split | what is special                                                             |
|-----|-------|-----------------------------------------------------------------------------|
| 101 | train | a phrase without a box, a `notvisual` phrase                                |
| 102 | train | a greyscale JPEG                                                            |
| 201 | val   | unicode, a chain of two boxes, a scene without a box, `notvisual`, chain 0  |
| 202 | val   | one box that names two chains                                               |
| 301 | test  | taller than wide, a box that fills the image, two kinds of one thing        |
"""

from pathlib import Path

import numpy as np
from PIL import Image

Corners = tuple[int, int, int, int]  # xmin, ymin, xmax, ymax as in the files: from 1, inclusive

SIZES_WH = {"101": (60, 40), "102": (50, 30), "201": (64, 48), "202": (70, 30), "301": (35, 45)}
JPEG = {"quality": 95, "subsampling": 0}  # a rectangle's border blurs by a pixel or two at most
SPLITS = {"train": ["101", "102"], "val": ["201", "202"], "test": ["301"]}
OBJECTS: dict[str, list[tuple[list[str], Corners | None]]] = {
    "101": [(["1"], (5, 6, 24, 30)), (["2"], None)],
    "102": [(["5"], (1, 1, 20, 20))],
    "201": [
        (["11"], (2, 3, 21, 33)),
        (["12"], (30, 5, 45, 20)),
        (["12"], (50, 25, 64, 48)),
        (["13"], None),
    ],
    "202": [(["21", "22"], (11, 6, 40, 25))],
    "301": [(["31"], (1, 1, 35, 45)), (["32"], (10, 10, 10, 10))],
}
SENTENCES = {
    "101": [
        "[/EN#1/people A man] stands in [/EN#2/scene the street] .",
        "[/EN#1/people Someone] looks at [/EN#0/notvisual it] from [/EN#2/scene a road] .",
    ],
    "102": ["[/EN#5/animals Two grey dogs] run ."],
    "201": [
        "[/EN#11/people Ein Mädchen] with [/EN#12/other crêpes “à la carte”] in [/EN#13/scene fog]",
        "[/EN#0/notvisual There] she holds [/EN#12/other two things] for [/EN#0/other fun] .",
    ],
    "202": ["[/EN#21/people Two men] carry [/EN#22/people a pair] ."],
    "301": ["[/EN#31/vehicles/scene A bus] with [/EN#32/other a light] ."],
}


def write_tiny_flickr30k(folder: Path) -> Path:
    """Write the data set below `folder` and return it.

    Training has 5 phrases on 2 images; val has 5 with a box on 2 images, test 2 on 1.
    """
    for part in ("Annotations", "Sentences", "flickr30k-images"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for split, ids in SPLITS.items():
        (folder / f"{split}.txt").write_text("".join(f"{image_id}\n" for image_id in ids))
    for image_id, size_wh in SIZES_WH.items():
        write_annotation(folder, image_id, size_wh, OBJECTS[image_id])
        write_sentences(folder, image_id, SENTENCES[image_id])
        _picture(image_id).save(folder / "flickr30k-images" / f"{image_id}.jpg", **JPEG)
    return folder


def write_sentences(folder: Path, image_id: str, lines: list[str]) -> None:
    """Write the sentences of one image."""
    text = "".join(f"{line}\n" for line in lines)
    (folder / "Sentences" / f"{image_id}.txt").write_text(text, encoding="utf-8")


def write_annotation(
    folder: Path,
    image_id: str,
    size_wh: tuple[int, int],
    objects: list[tuple[list[str], Corners | None]],
) -> None:
    """Write the boxes of one image; an object without corners is a scene without a box."""
    things = "".join(_object(names, corners) for names, corners in objects)
    size = f"<size><width>{size_wh[0]}</width><height>{size_wh[1]}</height><depth>3</depth></size>"
    text = f"<annotation>\n<filename>{image_id}.jpg</filename>\n{size}\n{things}</annotation>\n"
    (folder / "Annotations" / f"{image_id}.xml").write_text(text, encoding="utf-8")


def _object(names: list[str], corners: Corners | None) -> str:
    named = "".join(f"<name>{name}</name>" for name in names)
    if corners is None:
        return f"<object>{named}<scene>1</scene><nobndbox>1</nobndbox></object>\n"
    sides = zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    box = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
    return f"<object>{named}<bndbox>{box}</bndbox></object>\n"


def _picture(image_id: str) -> Image.Image:
    """Draw each box as a rectangle of its own colour on grey."""
    width, height = SIZES_WH[image_id]
    pixels = np.full((height, width, 3), 120, dtype=np.uint8)
    for index, (_, corners) in enumerate(OBJECTS[image_id]):
        if corners is not None:
            x1, y1, x2, y2 = corners
            pixels[y1 - 1 : y2, x1 - 1 : x2] = (230, 60 * index, 30)
    picture = Image.fromarray(pixels)
    return picture.convert("L") if image_id == "102" else picture
