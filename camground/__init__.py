"""Weakly supervised visual grounding: the box of a phrase in a picture.

```
from camground import Grounder

model = Grounder.load("results/shapes/full")
found = model.ground("x.jpg", ["dog on the left", "the red cup"])
print(found[0].box_xyxy, found[0].confidence)
```
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.serving.found import Candidate, Found
    from pipeline.serving.phrase_grounder import PhraseGrounder as Grounder

__all__ = ["Candidate", "Found", "Grounder"]


def __getattr__(name: str) -> object:
    """Return a public class; it is imported when it is first asked for, since torch is slow to.

    Raises:
        AttributeError: there is no such class.
    """
    if name == "Grounder":
        from pipeline.serving.phrase_grounder import PhraseGrounder

        return PhraseGrounder
    if name in __all__:
        from pipeline.serving import found

        return getattr(found, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
