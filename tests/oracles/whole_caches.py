"""What tables say of images and phrases, by reading every cache whole into dictionaries."""

import json
from itertools import pairwise

import h5py
import numpy as np

PROPOSALS, CAMS = ("boxes_xyxy", "scores", "labels"), ("noun_index", "maps", "confidences")


def read_lines(path, splits):
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [row for row in rows if splits is None or row["split"] in splits]


def read_texts(group):
    utf8, offsets = group["utf8"][:].tobytes(), group["offsets"][:]
    return [utf8[a:b].decode() for a, b in pairwise(offsets)]


def read_rows(path, names):
    """Return the arrays of every image by its id."""
    with h5py.File(path) as file:
        ids, offsets = read_texts(file["image_id"]), file["offsets"][:]
        arrays = {name: file[name][:] for name in names}
    return {
        image_id: {name: array[offsets[row] : offsets[row + 1]] for name, array in arrays.items()}
        for row, image_id in enumerate(ids)
    }


def read_nouns(path):
    """Return the mentions (noun, role), number, subject and anchor of every phrase by its text."""
    with h5py.File(path) as file:
        nouns, offsets = read_texts(file["noun"]), file["offsets"][:]
        found = {}
        for row, phrase in enumerate(read_texts(file["phrase"])):
            span = slice(offsets[row], offsets[row + 1])
            anchor = int(file["anchor_index"][row])
            mentions = zip(file["noun_index"][span], file["noun_role"][span], strict=True)
            found[phrase] = {
                "mentions": [(nouns[index], int(role)) for index, role in mentions],
                "is_plural": bool(file["is_plural"][row]),
                "has_direction": bool(file["has_direction"][row]),
                "subject": read_texts(file["subject"])[row],
                "anchor": nouns[anchor] if anchor >= 0 else None,
            }
    return found


def epoch_of(phrases_of_image, phrases_per_image, seed, epoch):
    """Return (image, phrases, seed) of every sample, one image after the other, then shuffled."""
    rng = np.random.default_rng((seed, epoch))
    made = []
    for image, phrases in phrases_of_image.items():
        shuffled = rng.permutation(np.asarray(phrases))
        for group in np.array_split(shuffled, -(-len(phrases) // phrases_per_image)):
            made.append((image, tuple(group.tolist()), (seed, epoch, len(made))))
    return [made[position] for position in rng.permutation(len(made))]
