"""What method modules keep for each server or client, for as long as that is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


class Kept(Generic[T]):
    """One T for each owner, made when first asked for."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._all: WeakKeyDictionary[object, T] = WeakKeyDictionary()

    def of(self, owner: object) -> T:
        """The T of this owner."""
        found = self._all.get(owner)
        if found is None:
            found = self._all[owner] = self._make()
        return found
