"""PicklingStripper: what belongs to one event, or to one process, stays out of a state's pickle."""

from __future__ import annotations

import dataclasses
import functools
import io
import logging
import pickle
from collections.abc import Callable, Collection, Mapping
from copy import copy
from enum import Enum
from typing import Any, ClassVar, Self, TypeAlias, TypeVar

from rxbridge.errors import RxBridgeError

Fields: TypeAlias = "dict[str, Any]"
Function = TypeVar("Function", bound=Callable[..., Any])

logger = logging.getLogger("rxbridge.state")

_PICKLED = "_rxbridge_pickled"
"""The key of a stripped state's pickle that holds the pickle of the fields."""

_SCHEMA = "_rxbridge_schema"
"""The key that holds the schema of the class that stored them."""

# What nested values become that have no default of their own and no place to be left out of.
_GONE: tuple[Callable[..., Any], tuple[Any, ...]] = (type(None), ())


def _own_method(function: Function) -> Function:
    """Let a mixin have a method named like Reflex's own, whose cache Reflex clears."""
    function.__override_base_method__ = True  # type: ignore[attr-defined]
    function.cache_clear = lambda: None  # type: ignore[attr-defined]
    return function


class PicklingStripper:
    """A mixin that keeps transient objects out of a state's pickle.

    Written before ``rx.State``. Every object of Django is transient: requests, responses,
    resolver matches, lazy objects, sessions, users and all other model instances, also inside
    lists, dicts, tuples and dataclasses. ``transient`` names vars that are never stored, and
    ``transient_types`` classes of yours whose objects are not::

        class CartState(PicklingStripper, rx.State):
            transient: ClassVar = {"_client"}
            _client: PaymentClient | None = None

    A var that held something transient comes back as its declared default.

    What another version of the class has stored loads too: vars that both have keep their values,
    the others start at their defaults.
    """

    transient: ClassVar[Collection[str]] = ()
    transient_types: ClassVar[Collection[type]] = ()

    _transient: ClassVar[frozenset[str]] = frozenset()
    _transient_types: ClassVar[tuple[type, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        """Take what is transient in this class beside what is so in its bases."""
        fields: Mapping[str, Any] = getattr(cls, "__fields__", {})
        for name in ("transient", "transient_types"):
            value = getattr(cls, name)
            if name in fields or isinstance(value, str):
                msg = f"{cls.__qualname__}: write {name}: ClassVar = {{…}}, or it is a var."
                raise ValueError(msg)
        if fields and (unknown := sorted(set(cls.transient) - fields.keys())):
            msg = f"{cls.__qualname__} has no var {unknown[0]!r}; transient names its vars."
            raise ValueError(msg)
        super().__init_subclass__(**options)
        cls._transient = cls._transient.union(cls.transient)
        cls._transient_types = (*cls._transient_types, *cls.transient_types)

    def __getstate__(self) -> Fields:
        """Return what is stored: one pickle of the fields, without what is transient."""
        # Reflex returns the state's own dict, which must stay as it is.
        fields: Fields = super().__getstate__()  # type: ignore[assignment] # a state's is a dict
        if not self._transient.isdisjoint(fields):
            fields = {name: fields[name] for name in fields if name not in self._transient}
        return {
            _PICKLED: _pickled(type(self), fields, self._transient_types),
            _SCHEMA: _own_schema(type(self)),
        }

    def __setstate__(self, stored: Fields) -> None:
        """Take the fields back; one stored before the state was a ``PicklingStripper`` too."""
        fields, whole = _unpickled(stored[_PICKLED]) if _PICKLED in stored else (stored, True)
        if not whole or stored.get(_SCHEMA) != _own_schema(type(self)):
            fields = _known(type(self), fields)
        super().__setstate__(fields)  # type: ignore[misc] # a state's

    @classmethod
    @_own_method
    def _to_schema(cls) -> str:
        """Return one that is equal to any: ``__setstate__`` has seen to what differs."""
        return _Schema(_own_schema(cls))


class _Schema(str):
    """Stored as the text it is; equal to any other, so that Reflex drops no state for it."""

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return super().__hash__()

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str.__str__(self),)


def _schema(state: Any) -> str:
    from rxbridge.events.reflex.stored import schema  # Only then is Reflex loaded.

    return schema(state)


_own_schema: Callable[[Any], str] = functools.lru_cache(_schema)


def _known(state: Any, fields: Fields) -> Fields:
    """Return what this version of the class can use of what another has stored."""
    from rxbridge.events.reflex.stored import fits

    kept = {
        name: value
        for name, value in fields.items()
        if fits(state, name, value) and _is_whole(value)
    }
    if lost := (fields.keys() & state.__fields__) - kept.keys():
        _tell(state, tuple(sorted(lost)))
    return kept


@functools.lru_cache
def _tell(state: type, lost: tuple[str, ...]) -> None:
    """Log it, once for each class and its vars."""
    logger.warning(
        "%s: what another version of it stored in %s does not fit; it starts at its default.",
        state.__qualname__,
        ", ".join(lost),
    )


class _Lost:
    """What stands for an object whose class is no longer there."""

    def __new__(cls, *_args: Any, **_options: Any) -> Self:
        return object.__new__(cls)

    def __setstate__(self, _stored: Any) -> None: ...

    def append(self, _item: Any) -> None: ...

    def __setitem__(self, _key: Any, _item: Any) -> None: ...


class _Unpickler(pickle.Unpickler):
    whole = True

    def find_class(self, module: str, name: str) -> Any:
        try:
            return super().find_class(module, name)
        except (ImportError, AttributeError):
            self.whole = False
            return _Lost


def _unpickled(payload: bytes) -> tuple[Fields, bool]:
    """Return the fields, and whether all classes of what they hold are still there."""
    unpickler = _Unpickler(io.BytesIO(payload))
    return unpickler.load(), unpickler.whole


class _Whole(pickle.Pickler):
    """Refuses what is not as its class is now."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, _Lost) or obj is _Lost:
            raise pickle.PicklingError
        if dataclasses.is_dataclass(obj) and not isinstance(obj, type):
            for field in dataclasses.fields(obj):
                getattr(obj, field.name)
        return NotImplemented


def _is_whole(value: Any) -> bool:
    try:
        _Whole(io.BytesIO()).dump(value)
    except (pickle.PicklingError, AttributeError):
        return False
    return True


def _pickled(state: type, fields: Fields, types: tuple[type, ...]) -> bytes:
    try:
        payload, stripped = _dump(fields, types)
        if not stripped:
            return payload
        # Something was; only now is it worth walking the containers to see where.
        return _dump(_without_transient(fields, types), types)[0]
    except Exception as error:
        raise _unpicklable(state, fields, types) from error


def _dump(value: Any, types: tuple[type, ...]) -> tuple[bytes, bool]:
    buffer = io.BytesIO()
    pickler = _Pickler(buffer, types)
    pickler.dump(value)
    return buffer.getvalue(), pickler.stripped


class _Pickler(pickle.Pickler):
    """C's pickler; it asks ``reducer_override`` of all that is not plain data."""

    def __init__(self, buffer: io.BytesIO, types: tuple[type, ...]) -> None:
        super().__init__(buffer)
        self.stripped = False
        self._types = types

    def reducer_override(self, obj: Any) -> Any:
        kind: Any = type(obj)  # never isinstance(): it would ask a lazy object to load
        if _is_text(kind):
            return str, (_text(obj),)
        if _is_transient(kind, self._types):
            self.stripped = True
            return _GONE
        return NotImplemented


@functools.lru_cache(maxsize=4096)
def _is_transient(kind: type, types: tuple[type, ...]) -> bool:
    """Tell whether objects of this class are Django's, of a class made from its, or declared."""
    if issubclass(kind, types):
        return True
    # A choice of django.db.models.TextChoices is a plain value of the user's own class.
    return not issubclass(kind, (Enum, type)) and any(map(_is_djangos, kind.__mro__))


@functools.lru_cache(maxsize=4096)
def _is_text(kind: type) -> bool:
    """Tell whether objects of this class are text of Django's: marked safe, or translated late."""
    if not any(map(_is_djangos, kind.__mro__)):
        return False
    is_promise = any(base.__name__ == "Promise" for base in kind.__mro__)
    return is_promise or (issubclass(kind, str) and not issubclass(kind, Enum))


def _is_djangos(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "django"


def _text(value: Any) -> str:
    # str() of a SafeString is itself.
    return str.__str__(value if str in type(value).__mro__ else str(value))


class _Absent:
    """What stands for a transient object until its container has decided."""


_ABSENT = _Absent()


def _without_transient(fields: Fields, types: tuple[type, ...]) -> Fields:
    stripped = _Stripping(types)
    kept = {name: stripped(value) for name, value in fields.items()}
    return {name: value for name, value in kept.items() if value is not _ABSENT}


class _Stripping:
    """Copies of containers without what is transient."""

    def __init__(self, types: tuple[type, ...]) -> None:
        self._types = types
        # What was done already, so what is shared stays shared and a circle ends.
        self._done: dict[int, Any] = {}

    def __call__(self, value: Any) -> Any:
        kind: Any = type(value)
        if _is_transient(kind, self._types) and not _is_text(kind):
            return _ABSENT
        strip = _CONTAINERS.get(kind)
        if strip is None and dataclasses.is_dataclass(kind):
            strip = _strip_dataclass
        if strip is None:
            return value
        if id(value) not in self._done:
            self._done[id(value)] = value
            self._done[id(value)] = strip(self, value)
        return self._done[id(value)]


def _strip_sequence(strip: _Stripping, value: Any) -> Any:
    return type(value)(each for each in map(strip, value) if each is not _ABSENT)


def _strip_tuple(strip: _Stripping, value: tuple[Any, ...]) -> tuple[Any, ...]:
    # A place in a tuple means something, so it is not closed up.
    return tuple(None if each is _ABSENT else each for each in map(strip, value))


def _strip_dict(strip: _Stripping, value: dict[Any, Any]) -> dict[Any, Any]:
    kept = ((strip(key), strip(each)) for key, each in value.items())
    return {key: each for key, each in kept if key is not _ABSENT and each is not _ABSENT}


def _strip_dataclass(strip: _Stripping, value: Any) -> Any:
    changed: Fields = {}
    for field in dataclasses.fields(value):
        before = getattr(value, field.name, None)
        after = strip(before)
        if after is not before:
            changed[field.name] = _default(field) if after is _ABSENT else after
    if not changed:
        return value
    copied = copy(value)
    for name, kept in changed.items():
        object.__setattr__(copied, name, kept)  # A frozen one takes no assignment.
    return copied


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    return None if field.default_factory is dataclasses.MISSING else field.default_factory()


_CONTAINERS: Mapping[type, Callable[[_Stripping, Any], Any]] = {
    list: _strip_sequence,
    set: _strip_sequence,
    frozenset: _strip_sequence,
    tuple: _strip_tuple,
    dict: _strip_dict,
}


def _unpicklable(state: type, fields: Fields, types: tuple[type, ...]) -> RxBridgeError:
    """Return the error that names the var which cannot be pickled."""
    for name, value in fields.items():
        try:
            _dump(value, types)
        except Exception as error:
            return RxBridgeError(
                f"{state.__qualname__}.{name} holds what cannot be stored: {error}. Keep it out "
                f"of the state, or declare it there: transient: ClassVar = {{{name!r}}}."
            )
    return RxBridgeError(f"{state.__qualname__} cannot be stored.")
