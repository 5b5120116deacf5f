"""One tiny data set in every layout in which people hold it; the same truth in each.

| picture | width x height | split | phrases            | box: left top right bottom |
|---------|----------------|-------|--------------------|----------------------------|
| 9       | 50 x 40        | train | 2, not all ASCII   | not to be looked at        |
| 25      | 61 x 37        | val   | 2, one with spaces | 5 6 15 18                  |
| 30      | 43 x 59        | test  | 1, Cyrillic        | 2 1 20 31                  |

Every box is whole pixels of a rectangle that is drawn in its picture.
"""

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from pipeline.params.datasets import OwnDataset, ReferringDataset
from tests.python2_pickle import python2_pickle

SIZES_WH = {9: (50, 40), 25: (61, 37), 30: (43, 59)}
BOXES = {9: (1, 2, 3, 4), 25: (5, 6, 15, 18), 30: (2, 1, 20, 31)}  # continuous corners
PHRASES = {9: ["left crêpe", "the café"], 25: ["red  square", "it"], 30: ["мост"]}
SPLITS = {9: "train", 25: "val", 30: "test"}
EXPECTED_PHRASES = [
    ("train", "left crêpe"),
    ("train", "the café"),
    ("val", "red square"),
    ("val", "it"),
    ("test", "мост"),
]
EXPECTED_BOXES = [(5.0, 6.0, 15.0, 18.0), (5.0, 6.0, 15.0, 18.0), (2.0, 1.0, 20.0, 31.0)]


def coco_name(number) -> str:
    return f"COCO_train2014_{number:012d}.jpg"


def plain_name(number) -> str:
    return f"{number}.jpg"


def write_pictures(folder: Path, name) -> Path:
    """Draw each picture with its box as a bright rectangle."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (width, height) in SIZES_WH.items():
        pixels = np.full((height, width, 3), 60, np.uint8)
        x1, y1, x2, y2 = BOXES[number]
        pixels[y1:y2, x1:x2] = 230
        path = folder / name(number)
        Image.fromarray(pixels).save(path, quality=95, subsampling=0)
    return folder


def write_json(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def xywh(number) -> list[float]:
    x1, y1, x2, y2 = BOXES[number]
    return [float(x1), float(y1), float(x2 - x1), float(y2 - y1)]


def inclusive(number) -> list[int]:
    x1, y1, x2, y2 = BOXES[number]
    return [x1, y1, x2 - 1, y2 - 1]


def refs() -> list[dict]:
    """Return the refs as Python 2 had them: texts as UTF-8, as Latin-1 and as unicode."""
    told = {
        "left crêpe": "left crêpe".encode(),
        "the café": "the café".encode("latin-1"),
        "red  square": b"red  square",
    }
    return [
        {
            b"ref_id": number + 1000,
            b"ann_id": number * 10,
            b"category_id": 1,
            b"image_id": number,
            b"file_name": f"COCO_train2014_{number:012d}_{number * 10}.jpg".encode(),
            b"split": SPLITS[number].encode(),
            b"sent_ids": [number * 100 + index for index in range(len(phrases))],
            b"sentences": [
                {
                    b"tokens": [b"not", b"looked", b"at"],
                    b"raw": b"Not looked at.",
                    b"sent": told.get(phrase, phrase),
                    b"sent_id": number * 100 + index,
                }
                for index, phrase in enumerate(phrases)
            ],
        }
        for number, phrases in PHRASES.items()
    ]


def instances(name) -> dict:
    return {
        "images": [
            {"id": number, "file_name": name(number), "width": width, "height": height}
            for number, (width, height) in SIZES_WH.items()
        ],
        "annotations": [
            {"id": number * 10, "image_id": number, "category_id": 1, "bbox": xywh(number),
             "segmentation": [[1.0, 2.0, 3.0, 4.0]]}
            for number in SIZES_WH
        ],
        "categories": [{"id": 1, "name": "thing"}],
    }  # fmt: skip


def write_refer(root: Path, name=coco_name, who_split="umd") -> None:
    write_json(root / "instances.json", instances(name))
    (root / f"refs({who_split}).p").write_bytes(python2_pickle(refs()))


def write_referit_json(root: Path) -> None:
    for split in ("train", "val", "test"):
        regions = {f"{number}_2": PHRASES[number] for number in SPLITS if SPLITS[number] == split}
        write_json(root / f"referit_query_{split}.json", regions)
    write_json(root / "referit_bbox.json", {f"{number}_2": inclusive(number) for number in SPLITS})
    sizes = {plain_name(number): list(size_wh) for number, size_wh in SIZES_WH.items()}
    write_json(root / "referit_imsize.json", sizes)
    write_json(root / "referit_imcrop.json", {plain_name(n): [f"{n}_2"] for n in SPLITS})


def write_transvg(root: Path, key: str, old: bool = False) -> None:
    """Write the lists of one key; `old` as torch wrote them before its version 1.6."""
    for split in ("train", "val", "test"):
        rows = [
            transvg_row(key, number, phrase)
            for number in SPLITS
            if SPLITS[number] == split
            for phrase in PHRASES[number]
        ]
        path = root / key / f"{key}_{split}.pth"
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(rows, path, _use_new_zipfile_serialization=not old)


def transvg_row(key: str, number: int, phrase: str) -> tuple:
    if key == "flickr":
        return plain_name(number), np.array(inclusive(number), np.float64), phrase
    if key == "referit":
        return plain_name(number), f"{number}_2.pth", inclusive(number), phrase, [("r1", ["none"])]
    return coco_name(number), f"{number * 10}.pth", xywh(number), phrase, [("r1", ["none"])]


def write_simrec(path: Path) -> None:
    content = {}
    for number, split in SPLITS.items():
        groups = [PHRASES[number]] if split == "train" else [[one] for one in PHRASES[number]]
        entry = {"iid": number, "bbox": xywh(number), "cat_id": 0, "mask_id": number}
        content[split] = [{**entry, "refs": group} for group in groups]
    write_json(path, content)


def write_own_lines(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for number, split in SPLITS.items():
        rows = [{"image": f"sub/{plain_name(number)}", "phrase": one} for one in PHRASES[number]]
        boxes = {} if split == "train" else {"boxes_xyxy": [list(BOXES[number])]}
        lines = [json.dumps(row | boxes, ensure_ascii=False) for row in rows]
        (root / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_layout(layout: str, folder: Path):
    """Write one layout with its pictures below `folder`; return its section of params.yaml."""
    root, images = folder / "root", folder / "images"
    if layout == "own":
        write_pictures(images / "sub", plain_name)
        write_own_lines(root)
        return OwnDataset("jsonl", str(root), str(images), 0, 0)
    kind, collection, write, name = LAYOUTS[layout]
    root.mkdir(parents=True)
    write(root)
    write_pictures(images, name)
    return ReferringDataset(kind, collection, str(root), str(images), 0, 0)


LAYOUTS = {
    "refer": ("refer", "refcocog_umd", write_refer, coco_name),
    "refclef": (
        "refer",
        "refclef_berkeley",
        lambda root: write_refer(root, plain_name, "berkeley"),
        plain_name,
    ),
    "referit_json": ("referit_json", "referit", write_referit_json, plain_name),
    "transvg_coco": (
        "transvg",
        "refcocog_umd",
        lambda root: write_transvg(root, "gref_umd"),
        coco_name,
    ),
    "transvg_old": (
        "transvg",
        "referit",
        lambda root: write_transvg(root, "referit", old=True),
        plain_name,
    ),
    "transvg_flickr": (
        "transvg",
        "flickr30k",
        lambda root: write_transvg(root, "flickr"),
        plain_name,
    ),
    "simrec": (
        "simrec",
        "refcocog_umd",
        lambda root: write_simrec(root / "anns" / "refcocog.json"),
        coco_name,
    ),
    "simrec_referit": (
        "simrec",
        "referit",
        lambda root: write_simrec(root / "referit.json"),
        plain_name,
    ),
}
ALL_LAYOUTS = (*LAYOUTS, "own")
