import pytest
from matplotlib.figure import Figure


@pytest.fixture
def figures(monkeypatch):
    """The charts that are saved from now on; to be quick, none is rendered."""
    saved = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: saved.append(figure))
    return saved
