"""The base of every frozen value.

`value` is `attrs.frozen(kw_only=True)` with equality, hashing and repr inherited from `Value`
instead of generated per class: generating them costs about 0.5 ms a class at start-up, and the
vocabulary has some eighty classes.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self, TypeVar, dataclass_transform

import attrs

T = TypeVar("T")


class Value:
    """A frozen value, compared by type and fields; `replace` gives a changed copy."""

    __slots__ = ()
    __attrs_attrs__: ClassVar[tuple[Any, ...]] = ()

    def _fields(self) -> tuple[Any, ...]:
        return tuple(getattr(self, field.name) for field in self.__attrs_attrs__ if field.eq)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash((type(self), self._fields()))

    def __repr__(self) -> str:
        body = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in self.__attrs_attrs__ if f.repr)
        return f"{type(self).__name__}({body})"

    def replace(self, **changes: Any) -> Self:
        """A copy with `changes` applied; raises `TypeError` for an unknown field."""
        fields = {f.alias: getattr(self, f.name) for f in self.__attrs_attrs__ if f.init}
        return type(self)(**{**fields, **changes})


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(attrs.field,))
def value(cls: type[T]) -> type[T]:
    """Class decorator: a slotted, frozen, keyword-only value. The class must derive from `Value`."""
    return attrs.frozen(kw_only=True, repr=False, eq=False)(cls)
