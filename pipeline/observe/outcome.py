"""A function call that runs at most once, with its value or error."""

from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Outcome(Generic[Value]):
    """A function call and its value or error, kept even if the caller of `run` fails."""

    def __init__(self, work: Callable[[], Value]) -> None:
        self._work = work
        self._done = False
        self._trace: TracebackType | None = None
        self.error: BaseException | None = None

    def __reduce__(self) -> tuple[type["Outcome[None]"], tuple[Callable[[], None]]]:
        """Pickle as an outcome without work: what the work holds stays in this process."""
        return Outcome, (_no_work,)

    def run(self) -> None:
        """Call the function and keep its value or error; raise the error, but not a good exit."""
        self._done = True
        try:
            self._value = self._work()
        except BaseException as error:
            self.error, self._trace = error, error.__traceback__
            if not (isinstance(error, SystemExit) and error.code in (None, 0)):
                raise

    def result(self) -> Value:
        """Return the value or raise the error; call the function if it has not run."""
        if not self._done:
            self.run()
        if self.error is not None:
            raise self.error.with_traceback(self._trace)
        return self._value


def _no_work() -> None:
    """Do nothing."""
