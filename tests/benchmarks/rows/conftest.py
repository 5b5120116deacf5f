import pytest

from benchmarks.made.networks import write_detector
from benchmarks.made.tagger import write_tagger


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Return the folder of a tagger and a detector that were trained for a second."""
    folder = tmp_path_factory.mktemp("trained")
    write_tagger(folder / "tagger", steps=20)
    write_detector(folder / "detector", scenes=4, long_side_px=96)
    return folder
