"""The base of every frozen value.

`value` is `attrs.frozen(kw_only=True)`, made cheap to start with: attrs takes 10 ms to be imported and 0.4 ms for
each class, and a run creates a few instances of some fifty classes before its first request. So equality, hashing
and repr are inherited from `Value`, the first instances of a class are filled field by field, and attrs builds the
class when there are more of them, when it is asked for the class's fields, or when a field is declared by attrs'
own means (validators, converters).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, dataclass_transform

T = TypeVar("T")

PLAIN_INSTANCES: Final = 500
"""How many instances of a class are filled plainly; by then that has cost as much more as the build takes."""

_MISSING: Final[Any] = object()
_building = threading.RLock()


class Field:
    """How a field deviates from a plain one; made by `field`."""

    __slots__ = ("alias", "default", "eq", "factory", "name", "repr")

    def __init__(self, default: Any, factory: Callable[[], Any] | None, repr: bool, eq: bool) -> None:
        self.default, self.factory, self.repr, self.eq = default, factory, repr, eq
        self.name = self.alias = ""


def field(
    *, default: Any = _MISSING, factory: Callable[[], Any] | None = None, repr: bool = True, eq: bool = True
) -> Any:
    """A field of a value: with a `default`, or a `factory` that makes one for each instance; `repr` and `eq` say
    whether it is shown and compared."""
    return Field(default, factory, repr, eq)


class _Plan:
    """The fields of a class. `plain` is false if only attrs can fill it; `left` counts instances until attrs does."""

    def __init__(self, fields: Iterable[Field], *, plain: bool) -> None:
        self.fields = tuple(fields)
        self.plain = plain
        self.left = PLAIN_INSTANCES if plain else 0


class _LateAttrs(type):
    """Builds a class when attrs' own description of it (`__attrs_attrs__`) is first looked for. A property of the
    metaclass comes before what a class inherits: a base's description would be taken for its own."""

    @property
    def __attrs_attrs__(cls) -> Any:
        for base in cls.__mro__:
            if base.__dict__.get("__init__") is _plain_init:
                _build(base)
            if "_attrs_fields" in base.__dict__:
                return base.__dict__["_attrs_fields"]
        raise AttributeError(f"type object {cls.__name__!r} has no attribute '__attrs_attrs__'")

    @__attrs_attrs__.setter
    def __attrs_attrs__(cls, found: Any) -> None:
        cls._attrs_fields = found


class Value(metaclass=_LateAttrs):
    """A frozen value, compared by type and fields; `replace` gives a changed copy."""

    if TYPE_CHECKING:
        __attrs_attrs__: Any

    def _fields(self) -> tuple[Any, ...]:
        return tuple([getattr(self, known.name) for known in _plan(type(self)).fields if known.eq])

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash((type(self), self._fields()))

    def __repr__(self) -> str:
        shown = [known.name for known in _plan(type(self)).fields if known.repr]
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def __setattr__(self, name: str, given: object) -> None:
        from attrs.exceptions import FrozenInstanceError

        raise FrozenInstanceError

    def __delattr__(self, name: str) -> None:
        self.__setattr__(name, None)

    @classmethod
    def field_names(cls) -> tuple[str, ...]:
        """The names of the fields, in their order."""
        return tuple(known.name for known in _plan(cls).fields)

    def replace(self, **changes: Any) -> Self:
        """A copy with `changes` applied; raises `TypeError` for an unknown field."""
        kept = {known.alias: getattr(self, known.name) for known in _plan(type(self)).fields if known.alias}
        return type(self)(**{**kept, **changes})


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def value(cls: type[T]) -> type[T]:
    """Class decorator: a frozen, keyword-only value. The class must derive from `Value`."""
    cls.__init__ = _plain_init  # type: ignore[method-assign]
    return cls


def _plain_init(self: Any, **given: Any) -> None:
    cls = type(self)
    plan = _plan(cls)
    if plan.left <= 0 and _built(cls, plan):
        self.__init__(**given)
        return
    plan.left -= 1
    values, taken = self.__dict__, 0
    for known in plan.fields:
        name = known.name
        if name in given:
            values[name] = given[name]
            taken += 1
        elif known.default is not _MISSING:
            values[name] = known.default
        elif known.factory is not None:
            values[name] = known.factory()
        else:
            raise TypeError(f"{cls.__name__}.__init__() missing 1 required keyword-only argument: {name!r}")
    if taken != len(given):
        unknown = next(name for name in given if name not in values)
        raise TypeError(f"{cls.__name__}.__init__() got an unexpected keyword argument {unknown!r}")
    if (post_init := getattr(self, "__attrs_post_init__", None)) is not None:
        post_init()


def _built(cls: type[Any], plan: _Plan) -> bool:
    """Let attrs build the class. Where it cannot be loaded just now, for want of file descriptors or of the right to
    read it, plain filling goes on if that is possible."""
    try:
        _build(cls)
    except (ImportError, OSError):
        if not plan.plain:
            raise
        plan.left = PLAIN_INSTANCES
        return False
    return True


def _plan(cls: type[Any]) -> _Plan:
    """The plan of a class. Made before attrs changes anything of it, so that it holds for subclasses, too."""
    found: _Plan | None = cls.__dict__.get("_value_plan")
    if found is not None:
        return found
    fields: dict[str, Field] = {}
    plain = True
    for base in reversed(cls.__mro__[1:]):
        if isinstance(base, _LateAttrs) and base is not Value and "__init__" in base.__dict__:
            inherited = _plan(base)
            fields |= {known.name: known for known in inherited.fields}
            plain = plain and inherited.plain
    own = cls.__dict__.get("__annotations__", {})  # noqa: RUF063 - inspect takes 10 ms to be imported
    for name, annotation in own.items():
        if not str(annotation).startswith(("ClassVar", "typing.ClassVar")):
            declared = cls.__dict__.get(name, _MISSING)
            plain = plain and not _by_attrs(declared) and not name.startswith("_")
            fields.pop(name, None)  # one declared anew takes its new place, as with attrs
            fields[name] = _field(name, declared)
    plan = _Plan(fields.values(), plain=plain)
    cls._value_plan = plan
    return plan


def _by_attrs(declared: Any) -> bool:
    """Whether a field was declared with `attrs.field`, whose meaning only attrs knows whole."""
    return type(declared).__module__.partition(".")[0] == "attr"


def _field(name: str, declared: Any) -> Field:
    if isinstance(declared, Field):
        found = Field(declared.default, declared.factory, declared.repr, declared.eq)
    elif _by_attrs(declared):
        found = Field(_MISSING, None, bool(declared.repr), bool(declared.eq))
    else:
        found = Field(declared, None, True, True)
    found.name = name
    found.alias = name.lstrip("_") if getattr(declared, "init", True) else ""
    return found


def _build(cls: type[Any]) -> None:
    import attrs

    with _building:
        if cls.__dict__.get("__init__") is not _plain_init:
            return  # another thread was here first
        _plan(cls)
        for name, declared in list(cls.__dict__.items()):
            if isinstance(declared, Field):
                setattr(cls, name, _for_attrs(declared, attrs))
        # Without slots attrs changes the class in place; creating an instance is faster that way, too. `init` says
        # that ours is to be replaced: were it removed first, another thread would find none for a moment.
        attrs.frozen(cls, kw_only=True, slots=False, repr=False, eq=False, init=True)


def _for_attrs(declared: Field, attrs: Any) -> Any:
    if declared.factory is not None:
        return attrs.field(factory=declared.factory, repr=declared.repr, eq=declared.eq)
    default = attrs.NOTHING if declared.default is _MISSING else declared.default
    return attrs.field(default=default, repr=declared.repr, eq=declared.eq)
