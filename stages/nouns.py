"""Stage `nouns`: the nouns of each distinct phrase, and where it says that its thing is.

reads   data/<dataset>/annotations/phrases.jsonl, data/<dataset>/weights/tagger
writes  data/<dataset>/nouns.h5
params  nouns

Phrases are distinct by their exact text, which is what they are looked up by; they are parsed in
lower case.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.given_files.safe_load import ModelFileError
from models.phrases.mirroring import may_crop
from models.phrases.noun_parser import NounParser, ParsedPhrase
from models.phrases.noun_rules import CONTEXT, HEAD
from models.phrases.place_words import CUES, RELATIONS, SIDES, number_in
from models.phrases.places import Place
from pipeline.caching.cache import Provenance, write_cache
from pipeline.caching.fingerprint import fingerprint
from pipeline.caching.runs import row_offsets
from pipeline.caching.shards import ShardPlan, remove_shards, run_shards
from pipeline.command_line import stage_call
from pipeline.errors import InputError
from pipeline.observe.observer import Observer
from pipeline.params.schema import NounsParams
from pipeline.paths import DatasetFiles
from pipeline.records import PhraseRecord, RecordFile
from pipeline.runtime import pick_device

ROLES = (HEAD, CONTEXT)  # their numbers in the cache
_EXAMPLES = 10


@dataclass(frozen=True)
class PhraseNouns:
    """The nouns of P phrases as flat arrays, M mentions in all.

    Attributes:
        counts: how many mentions each phrase has, head first, int64 (P,).
        has_direction: whether a word of place, order or relation stands in the phrase, bool (P,).
        is_plural: whether the thing meant is a number of things, bool (P,).
        noun_utf8_lengths: bytes of each mention's noun, int64 (M,).
        noun_utf8: the nouns one after another, uint8 (bytes,).
        noun_role: 0 head, 1 context, int8 (M,).
        noun_span: first and last-plus-one character in the phrase, int32 (M, 2).
        place_cues: sides and sizes that the phrase names, in the order of
            `models.phrases.place_words.CUES`, bool (P, 9).
        place_rank: 2 for "second", 0 without an order, int8 (P,).
        place_side: the side that the order counts from, in `SIDES`, -1 without one, int8 (P,).
        relation: to the anchor, in `RELATIONS`, -1 without one, int8 (P,).
        anchor_utf8_lengths: bytes of each phrase's anchor noun, 0 without one, int64 (P,).
        anchor_utf8: the anchor nouns one after another, uint8 (bytes,).
        anchor_span: first character of the anchor's words and last-plus-one of its noun, 0 and 0
            without one, int32 (P, 2).
        subject_utf8_lengths: bytes of each phrase's subject, int64 (P,).
        subject_utf8: the subjects one after another, uint8 (bytes,).
    """

    counts: NDArray[np.int64]
    has_direction: NDArray[np.bool_]
    is_plural: NDArray[np.bool_]
    noun_utf8_lengths: NDArray[np.int64]
    noun_utf8: NDArray[np.uint8]
    noun_role: NDArray[np.int8]
    noun_span: NDArray[np.int32]
    place_cues: NDArray[np.bool_]
    place_rank: NDArray[np.int8]
    place_side: NDArray[np.int8]
    relation: NDArray[np.int8]
    anchor_utf8_lengths: NDArray[np.int64]
    anchor_utf8: NDArray[np.uint8]
    anchor_span: NDArray[np.int32]
    subject_utf8_lengths: NDArray[np.int64]
    subject_utf8: NDArray[np.uint8]


def compute_nouns(parser: NounParser, phrases: Sequence[str]) -> PhraseNouns:
    """Return the nouns of some phrases, in their order."""
    parsed: list[ParsedPhrase] = parser.parse(phrases)
    mentions = [mention for phrase in parsed for mention in phrase.nouns]
    encoded = [mention.noun.encode() for mention in mentions]
    subjects = [phrase.subject.encode() for phrase in parsed]
    return PhraseNouns(
        counts=np.array([len(phrase.nouns) for phrase in parsed], np.int64),
        has_direction=np.array([not may_crop(phrase) for phrase in phrases], np.bool_),
        is_plural=np.array([phrase.is_plural for phrase in parsed], np.bool_),
        noun_utf8_lengths=np.array([len(noun) for noun in encoded], np.int64),
        noun_utf8=np.frombuffer(b"".join(encoded), np.uint8),
        noun_role=np.array([ROLES.index(mention.role) for mention in mentions], np.int8),
        noun_span=np.array([mention.span for mention in mentions], np.int32).reshape(-1, 2),
        subject_utf8_lengths=np.array([len(subject) for subject in subjects], np.int64),
        subject_utf8=np.frombuffer(b"".join(subjects), np.uint8),
        **_place_arrays([phrase.place for phrase in parsed]),
    )


def _place_arrays(places: Sequence[Place]) -> dict[str, NDArray[Any]]:
    """Return the arrays of `PhraseNouns` that say where things are."""
    anchors = [place.anchor.noun.encode() if place.anchor else b"" for place in places]
    spans = [place.anchor.span if place.anchor else (0, 0) for place in places]
    cues = np.array([[cue in place.cues for cue in CUES] for place in places], np.bool_)
    return {
        "place_cues": cues.reshape(-1, len(CUES)),  # (P, C)
        "place_rank": np.array([place.rank for place in places], np.int8),
        "place_side": np.array([number_in(SIDES, place.rank_side) for place in places], np.int8),
        "relation": np.array([number_in(RELATIONS, place.relation) for place in places], np.int8),
        "anchor_utf8_lengths": np.array([len(anchor) for anchor in anchors], np.int64),
        "anchor_utf8": np.frombuffer(b"".join(anchors), np.uint8),
        "anchor_span": np.array(spans, np.int32).reshape(-1, 2),
    }


def run(files: DatasetFiles, params: NounsParams, parser: NounParser, observer: Observer) -> None:
    """Write the nouns of every distinct phrase.

    Raises:
        InputError: `PIPELINE_PART` is not of the form i/N.
    """
    records = RecordFile(files.phrases, PhraseRecord)
    phrases = sorted({record.phrase for record in records})
    upstream = [files.phrases, files.weights / "tagger"]
    provenance = Provenance("nouns", fingerprint(Path(__file__), params, upstream))
    plan = ShardPlan("nouns", provenance.fingerprint, len(phrases), params.phrases_per_shard)

    def compute(items: range) -> Mapping[str, NDArray[Any]]:
        return vars(compute_nouns(parser, phrases[items.start : items.stop]))

    sharded = run_shards(plan, compute, observer)
    arrays: dict[str, Any] = {name: np.asarray(array) for name, array in sharded.items()}
    phrase_nouns = PhraseNouns(**arrays)
    names = decoded(phrase_nouns.noun_utf8, phrase_nouns.noun_utf8_lengths)
    write_nouns(files.nouns, phrases, phrase_nouns, names, provenance)
    remove_shards(plan)
    report(Counter(record.phrase for record in records), phrases, phrase_nouns, names, observer)


def write_nouns(
    path: Path,
    phrases: Sequence[str],
    phrase_nouns: PhraseNouns,
    names: Sequence[str],
    provenance: Provenance,
) -> None:
    """Write the cache; `names` holds the noun of each mention."""
    anchors = decoded(phrase_nouns.anchor_utf8, phrase_nouns.anchor_utf8_lengths)
    nouns = sorted({*names, *filter(None, anchors)})
    index_of = {"": -1} | {noun: index for index, noun in enumerate(nouns)}
    arrays: dict[str, NDArray[Any]] = {
        "offsets": row_offsets(phrase_nouns.counts),
        "noun_index": np.array([index_of[name] for name in names], np.int32),
        "noun_role": phrase_nouns.noun_role,
        "noun_span": phrase_nouns.noun_span,
        "has_direction": phrase_nouns.has_direction,
        "is_plural": phrase_nouns.is_plural,
        "place_cues": phrase_nouns.place_cues,
        "place_rank": phrase_nouns.place_rank,
        "place_side": phrase_nouns.place_side,
        "relation": phrase_nouns.relation,
        "anchor_index": np.array([index_of[name] for name in anchors], np.int32),
        "anchor_span": phrase_nouns.anchor_span,
    }
    subjects = decoded(phrase_nouns.subject_utf8, phrase_nouns.subject_utf8_lengths)
    texts = {"phrase": phrases, "noun": nouns, "subject": subjects}
    write_cache(path, arrays, texts, {}, provenance)


def report(
    occurrences: Mapping[str, int],
    phrases: Sequence[str],
    phrase_nouns: PhraseNouns,
    names: Sequence[str],
    observer: Observer,
) -> None:
    """Log how many phrases have a noun, which are frequent, and which phrases have none."""
    starts = row_offsets(phrase_nouns.counts)[:-1].tolist()
    times = [occurrences[phrase] for phrase in phrases]
    heads: Counter[str] = Counter()
    none: Counter[str] = Counter()
    for phrase, start, count, number in zip(
        phrases, starts, phrase_nouns.counts, times, strict=True
    ):
        if count:
            heads[names[start]] += number
        else:
            none[phrase] += number
    share = heads.total() / max(1, sum(times))
    observer.log(
        f"{sum(times)} phrases, {len(phrases)} distinct, {share:.1%} with a noun; "
        f"{len(set(names))} distinct nouns, {len(heads)} of them head nouns"
    )
    observer.log(f"most frequent: {_counted(heads)}")
    observer.log(f"without a noun: {_counted(none)}")


def decoded(utf8: NDArray[np.uint8], lengths: NDArray[np.int64]) -> list[str]:
    """Return texts that were put one after another, of so many bytes each."""
    text, bounds = utf8.tobytes(), row_offsets(lengths).tolist()
    return [text[start:stop].decode() for start, stop in pairwise(bounds)]


def _counted(counts: Counter[str]) -> str:
    examples = counts.most_common(_EXAMPLES)
    return ", ".join(f"{text!r} {number}" for text, number in examples) or "none"


def load_parser(folder: Path, params: NounsParams, device: str) -> NounParser:
    """Return the parser of a dataset's weights.

    Raises:
        InputError: the tagger's folder cannot be used.
    """
    try:
        return NounParser(folder, device, params.context_nouns)
    except ModelFileError as error:
        raise InputError(str(error)) from error


def main() -> None:
    """Find the nouns of the dataset that the command line names."""
    call = stage_call(__doc__)
    files, params = call.files, call.params.nouns
    device = pick_device(call.params.runtime.device).type
    parser = load_parser(files.weights / "tagger", params, device)
    call.run("nouns", lambda observer: run(files, params, parser, observer))


if __name__ == "__main__":
    main()
