"""The stage `nouns` on phrases that repeat, against stanza called once a phrase."""

from dataclasses import dataclass

import stanza

from benchmarks.made.phrases import natural_phrases
from benchmarks.made.tagger import write_full_size_tagger
from benchmarks.made.world import SilentObserver, project_folder
from benchmarks.ratios.row import Row, at_least, ratios_of
from benchmarks.ratios.timing import CPU, in_turns
from benchmarks.step_cost import read_with
from models.phrases.train_tagger import PACKAGE
from pipeline.paths import DatasetFiles
from pipeline.records import PhraseRecord, write_records
from stages import nouns


@dataclass(frozen=True)
class NounSizes:
    """How many phrases there are, and after how many the peer stops."""

    phrases: int = 50_000
    sample: int = 300
    rounds: int = 4


def measure(sizes: NounSizes = NounSizes()) -> list[Row]:
    """Return the row of the whole stage: phrases.jsonl to nouns.h5."""
    params, files = read_with([]).nouns, DatasetFiles("own")
    phrases = natural_phrases(sizes.phrases)
    sample = phrases[: sizes.sample]
    with project_folder():
        write_full_size_tagger(files.weights / "tagger")
        write_records(
            files.phrases,
            [PhraseRecord(str(row), "0", "train", text) for row, text in enumerate(phrases)],
        )
        parser = nouns.load_parser(files.weights / "tagger", params, "cpu")
        tag = stanza.Pipeline(
            "en",
            dir=str(files.weights / "tagger"),
            processors={"tokenize": "whitespace", "pos": PACKAGE},
            package=None,
            download_method=None,
            tokenize_pretokenized=True,
            verbose=False,
        )
        works = {
            "ours": lambda: nouns.run(files, params, parser, SilentObserver("bench")),
            "peer": lambda: [tag(phrase) for phrase in sample],
        }
        seconds = in_turns(works, sizes.rounds)
    scale = len(phrases) / len(sample)
    return [
        Row(
            "nouns",
            f"stage nouns: {len(phrases):,} phrases, {len(set(phrases)):,} of them distinct",
            "stanza, one call a phrase",
            at_least(15),
            ratios_of([scale * one for one in seconds["peer"]], seconds["ours"]),
            CPU,
            f"a tagger of stanza's default size with random weights; the peer, which only tags, "
            f"was measured on the first {len(sample)} phrases and scaled",
        )
    ]
