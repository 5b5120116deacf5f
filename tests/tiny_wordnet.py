"""Eleven senses in WordNet's own file format, licence lines and pointers of other kinds included.

entity > dog > poodle, pug; board > scoreboard, skateboard; garment "jacket"; wrapper "jacket";
canoe > kayak. ImageNet's part is played by poodle, pug, scoreboard, the wrapper and canoe.
"""

from pathlib import Path

SYNSETS = {  # offset: words, hypernyms
    1740: (["entity"], []),
    2100: (["dog", "Canis_familiaris"], [1740]),
    2200: (["poodle", "poodle_dog"], [2100]),
    2300: (["pug"], [2100]),
    3100: (["board"], [1740]),
    3200: (["scoreboard"], [3100]),
    3300: (["skateboard"], [3100]),
    4100: (["jacket"], [1740]),
    4200: (["book_jacket", "jacket"], [1740]),
    5100: (["canoe"], [1740]),
    5200: (["kayak"], [5100]),
}
WNIDS = ["n00002200", "n00002300", "n00003200", "n00004200", "n00005100"]
LICENCE = "  1 This software and database is being provided to you, the LICENSEE, by  \n"


def write_tiny_wordnet(folder: Path) -> Path:
    """Write `data.noun` and `index.noun`."""
    folder.mkdir(parents=True, exist_ok=True)
    data = "".join(_data_line(offset) for offset in SYNSETS)
    (folder / "data.noun").write_text(LICENCE + data)
    words = sorted({word.lower() for words, _ in SYNSETS.values() for word in words})
    (folder / "index.noun").write_text(LICENCE + "".join(_index_line(word) for word in words))
    return folder


def _data_line(offset):
    words, hypernyms = SYNSETS[offset]
    hyponyms = [below for below, (_, above) in SYNSETS.items() if offset in above]
    pointers = [f"@ {other:08d} n 0000" for other in hypernyms]
    pointers += [f"~ {other:08d} n 0000" for other in hyponyms]
    pointers += ["+ 00001740 v 0101", "#p 00001740 n 0000", "~i 00001740 n 0000"]
    named = " ".join(f"{word} 0" for word in words)
    told = f"{len(words):02x} {named} {len(pointers):03d} {' '.join(pointers)}"
    return f"{offset:08d} 05 n {told} | a gloss; ~ @  \n"


def _index_line(word):
    offsets = [offset for offset, (words, _) in SYNSETS.items() if word in map(str.lower, words)]
    senses = " ".join(f"{offset:08d}" for offset in offsets)
    return f"{word} n {len(offsets)} 3 @ ~ + {len(offsets)} 0 {senses}  \n"
