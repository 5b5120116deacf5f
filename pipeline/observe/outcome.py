"""Work that somebody else is asked to do, and what became of it."""

from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Outcome(Generic[Value]):
    """Work that is done once, and its value or error, whatever becomes of who calls it."""

    def __init__(self, work: Callable[[], Value]) -> None:
        self._work = work
        self._done = False
        self._trace: TracebackType | None = None
        self.error: BaseException | None = None

    def __reduce__(self) -> tuple[type["Outcome[None]"], tuple[Callable[[], None]]]:
        """Stay in this process: elsewhere arrives one without work, and what it holds does not."""
        return Outcome, (_no_work,)

    def run(self) -> None:
        """Do the work and keep its value or error; raise the error, but not that of a good exit."""
        self._done = True
        try:
            self._value = self._work()
        except BaseException as error:
            self.error, self._trace = error, error.__traceback__
            if not (isinstance(error, SystemExit) and error.code in (None, 0)):
                raise

    def result(self) -> Value:
        """Return the value or raise the error; do the work now if nobody has."""
        if not self._done:
            self.run()
        if self.error is not None:
            raise self.error.with_traceback(self._trace)
        return self._value


def _no_work() -> None:
    """Do nothing."""
