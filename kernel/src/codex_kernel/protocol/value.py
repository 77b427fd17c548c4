"""The base of every frozen value.

`value` is `attrs.frozen(kw_only=True)`, made cheap to import: the vocabulary has some eighty classes, attrs
needs 0.4 ms for each, and one run uses a third of them. So equality, hashing and repr are inherited from
`Value` instead of generated, and attrs builds a class when it is first instantiated or asked for its fields.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self, TypeVar, dataclass_transform

import attrs
from attrs.exceptions import FrozenInstanceError

T = TypeVar("T")

_building = threading.RLock()


class _LateAttrs(type):
    """Builds a class when attrs' own description of it (`__attrs_attrs__`) is first looked for."""

    def __getattr__(cls, name: str) -> Any:
        if name == "__attrs_attrs__" and "__init__" in cls.__dict__:
            _build(cls)
            return cls.__dict__[name]
        raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")


class Value(metaclass=_LateAttrs):
    """A frozen value, compared by type and fields; `replace` gives a changed copy."""

    if TYPE_CHECKING:
        __attrs_attrs__: Any

    def _fields(self) -> tuple[Any, ...]:
        return tuple(getattr(self, field.name) for field in type(self).__attrs_attrs__ if field.eq)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash((type(self), self._fields()))

    def __repr__(self) -> str:
        shown = [f.name for f in type(self).__attrs_attrs__ if f.repr]
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def __setattr__(self, name: str, given: object) -> None:
        raise FrozenInstanceError

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError

    def replace(self, **changes: Any) -> Self:
        """A copy with `changes` applied; raises `TypeError` for an unknown field."""
        fields = {f.alias: getattr(self, f.name) for f in type(self).__attrs_attrs__ if f.init}
        return type(self)(**{**fields, **changes})


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(attrs.field,))
def value(cls: type[T]) -> type[T]:
    """Class decorator: a frozen, keyword-only value. The class must derive from `Value`."""
    cls.__init__ = _build_and_init  # type: ignore[method-assign]
    return cls


def _build(cls: type[Any]) -> None:
    with _building:
        if cls.__dict__.get("__init__") is _build_and_init:  # else another thread was here first
            # Without slots attrs changes the class in place; creating an instance is faster that way, too. `init` says
            # that ours is to be replaced: were it removed first, another thread would find none for a moment.
            attrs.frozen(cls, kw_only=True, slots=False, repr=False, eq=False, init=True)


def _build_and_init(self: Any, **fields: Any) -> None:
    _build(type(self))
    self.__init__(**fields)
