"""A write transaction of who may wait: under the writer mutex, and whole whatever signals come."""

from __future__ import annotations

import contextlib
import signal
from _signal import pthread_sigmask  # pyright: ignore[reportMissingModuleSource] - that of signal makes enums
from collections.abc import Generator
from types import TracebackType
from typing import Protocol

from agentsd.store.advice import explain
from agentsd.store.mutex import WriterMutex
from agentsd.store.paths import StateDir
from agentsd.store.transaction import Transaction, Unit

_HELD_BACK = {signal.SIGINT, signal.SIGTERM, signal.SIGTSTP}


@contextlib.contextmanager
def signals_held_back() -> Generator[None]:
    """INT, TERM and TSTP wait until this is over: a stopped or half-dead writer would block everyone."""
    before = pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
    try:
        yield
    finally:
        pthread_sigmask(signal.SIG_SETMASK, before)


class Store(Protocol):
    """What is written to."""

    mutex: WriterMutex
    state: StateDir

    def unit(self, *, durable: bool) -> Unit:
        """A transaction."""
        ...


class Writing:
    """See ``Database.write``. A class, as it is faster than generators, and every job that is queued pays for it."""

    __slots__ = ("_before", "_durable", "_patience", "_store", "_unit")

    _unit: Unit

    def __init__(self, store: Store, patience: float, *, durable: bool) -> None:
        self._store, self._patience, self._durable = store, patience, durable

    def __enter__(self) -> Transaction:
        self._before = pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
        try:
            self._store.mutex.acquire(self._patience)
            self._unit = self._store.unit(durable=self._durable)
            return self._unit.__enter__()
        except BaseException as error:
            self._leave()
            explain(error, self._store.state.database)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._unit.__exit__(kind, error, trace)
        except BaseException as problem:
            explain(problem, self._store.state.database)
            raise
        finally:
            self._leave()
        if error is not None:
            explain(error, self._store.state.database)

    def _leave(self) -> None:
        self._store.mutex.release()  # which does nothing if it was not to be had
        pthread_sigmask(signal.SIG_SETMASK, self._before)
