"""How long each stage took when it last ran on this machine.

A stage's process notes its seconds in `.work/`, outside DVC's outputs: two runs make equal bytes,
never in equal times.
"""

from collections.abc import Sequence

from pipeline.command_line import read_seconds
from pipeline.reporting.document import Paragraph, Section, Table

TITLE = "Time per stage"


def times_section(names: Sequence[str]) -> Section | None:
    """Return the section on the seconds that stages took; None if none has run here.

    Args:
        names: datasets and models that the stages are of, such as `shapes` or `shapes-full`.
    """
    seconds = {
        stage: value for stage, value in read_seconds().items() if stage.partition("@")[2] in names
    }
    if not seconds:
        return None
    rows = [[stage, f"{value:,.1f}"] for stage, value in seconds.items()]
    rows.append(["all of these", f"{sum(seconds.values()):,.1f}"])
    text = (
        "Seconds of the last run of each stage here, the start of its process left out. What DVC "
        "took from its cache, or another machine made, has no time."
    )
    table = Table(("stage", "seconds"), rows, frozenset({len(rows) - 1}))
    return Section(TITLE, [Paragraph(text), table])
