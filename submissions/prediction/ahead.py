"""The next tomogram is read while this one is predicted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from submissions.prediction.store import Stored
from tomograms.tomogram import Tomogram


@dataclass(frozen=True)
class Seen:
    """What is known of a tomogram before it is predicted.

    Attributes
    ----------
    volume
        Hash of what it is read from.
    stored
        What was predicted before, by member.
    tomogram
        Normalised; ``None`` where nothing is left to predict.
    remark
        What sets it apart from those that the run was trained on, in words.
    """

    volume: str
    stored: Mapping[str, Stored]
    tomogram: Tomogram | None = None
    remark: str = ""


class Ahead:
    """Reads one tomogram ahead, in a thread. An error waits until the tomogram is asked for."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._next: tuple[str, Future[Seen]] | None = None

    def begin(self, name: str, see: Callable[[], Seen]) -> None:
        """Begin to read a tomogram that will probably be asked for next."""
        self._next = (name, self._thread.submit(see))

    def take(self, name: str, see: Callable[[], Seen]) -> Seen:
        """Return what is seen of a tomogram; it is read now unless it was begun."""
        begun, self._next = self._next, None
        if begun is not None and begun[0] == name:
            return begun[1].result()
        if begun is not None:
            begun[1].cancel()
        return see()
