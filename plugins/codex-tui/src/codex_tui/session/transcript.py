"""The cells of a session, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from .cells import AnyCell

Listener = Callable[[], None]


class Transcript:
    """Cells by place and by key. `on_change` is called at each change, which has to be cheap: a screen notes that it
    has to draw, and draws later. `generation` grows when cells go away (a rewind, another thread) or get other places
    (older ones are put before them): what was made of places counts no more."""

    def __init__(self, folder: str = "") -> None:
        self.folder = folder
        """Where the thread works."""
        self.cells: list[AnyCell] = []
        self.generation = 0
        self.on_change: Listener = lambda: None
        self._places: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.cells)

    def __iter__(self) -> Iterator[AnyCell]:
        return iter(self.cells)

    def get(self, key: str) -> AnyCell | None:
        """The cell of a key."""
        place = self._places.get(key)
        return None if place is None else self.cells[place]

    def add(self, cell: AnyCell) -> None:
        """Put a cell at the end; one of the same key is replaced where it is."""
        place = self._places.get(cell.key)
        if place is None:
            self._places[cell.key] = len(self.cells)
            self.cells.append(cell)
        else:
            cell.version = self.cells[place].version + 1
            self.cells[place] = cell
        self.on_change()

    def insert(self, place: int, cells: Sequence[AnyCell]) -> None:
        """Put cells, of keys that are not there yet, before the one at this place: what was older than all that is
        known. The places of those behind it shift."""
        self.cells[place:place] = cells
        self._places = {cell.key: at for at, cell in enumerate(self.cells)}
        self.generation += 1
        self.on_change()

    def touch(self, cell: AnyCell) -> None:
        """A cell has changed."""
        cell.touch()
        self.on_change()

    def cut(self, place: int) -> None:
        """Forget the cells from this place on."""
        for cell in self.cells[place:]:
            del self._places[cell.key]
        del self.cells[place:]
        self.generation += 1
        self.on_change()

    def clear(self) -> None:
        """Forget all."""
        self.cut(0)
