"""What all threads below one thread of the user have in common: how many there may be, and what they are called."""

from __future__ import annotations

from contextvars import ContextVar

NAMES = (
    *("Adara", "Alcor", "Altair", "Antares", "Bellatrix", "Capella", "Castor", "Deneb", "Electra", "Hadar", "Izar"),
    *("Lyra", "Maia", "Merope", "Mira", "Mizar", "Naos", "Nunki", "Pollux", "Procyon", "Regulus", "Rigel", "Sabik"),
    *("Sirius", "Spica", "Talitha", "Tania", "Vega", "Wezen", "Zaurak"),
)


class Tree:
    """Counts the agents that are open below `root_id`. Shared by the tool sources of all these threads."""

    def __init__(self, root_id: str, limit: int) -> None:
        self.root_id = root_id
        self.limit = limit
        self.open = 0
        self._named = 0

    def take(self) -> bool:
        """Take a place for one more agent; false where there is none."""
        if self.open >= self.limit:
            return False
        self.open += 1
        return True

    def give_back(self) -> None:
        """An agent is gone."""
        self.open -= 1

    def name(self) -> str:
        """A nickname that no other agent of the tree has."""
        round, place = divmod(self._named, len(NAMES))
        self._named += 1
        return NAMES[place] + (f" {round + 1}" if round else "")


ABOVE: ContextVar[Tree | None] = ContextVar("codex_agent_graph_tree", default=None)
"""Set where a child is opened: its own tool source, which is made there, joins the tree."""
