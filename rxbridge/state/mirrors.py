"""Mirrors: what a page shows of the user, of messages, of the CSRF token and of the language."""

# ruff: noqa: SLF001 - the private vars of a mirror's state are kept here

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Collection, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.middleware.csrf import get_token

from rxbridge.events.binder import read_csrf_secret
from rxbridge.events.chain.identity import known_user
from rxbridge.events.guards import open_to_visitors
from rxbridge.state._flash import delivered
from rxbridge.state._mixins import made_mixin
from rxbridge.state._permissions import permissions_and_groups
from rxbridge.state.language import (
    direction_of,
    is_bidi,
    language_choices,
    language_of,
    site_language,
)
from rxbridge.state.values import NOBODY, json_safe, user_snapshot

if TYPE_CHECKING:
    from django.http import HttpRequest

PERMISSIONS_LAST = 30.0
"""Seconds for which an open page shows permissions and groups before they are asked for again."""

# What each mirror shows while nothing is known.
_EMPTY: Mapping[str, Any] = {
    **NOBODY,
    "group_names": [],
    "perms": [],
    "messages": [],
    "csrf_token": "",
    "language": "",
    "language_bidi": False,
}
ALL = tuple(_EMPTY)

_TYPES: Mapping[str, Any] = {
    "group_names": list[str],
    "perms": list[str],
    "messages": list[dict[str, str]],
}

# What the permissions and the token shown were made of.
_PRIVATE: Mapping[str, Any] = {"_permissions_of": "", "_permissions_at": 0.0, "_csrf_of": ""}

_ASKED = "_rxbridge_permissions_asked"
_FOUND = "_rxbridge_permissions_found"


def mirrors(*names: str, **own: Any) -> type[Any]:
    """Return a mixin of the named mirrors, of all if none is named::

        class Me(mirrors("is_authenticated", "username", phone=""), rx.State):
            "The page's user."

    ``own`` names attributes of the project's user model, each with what is shown of a visitor
    who is not signed in; that value also says its type. What is not mirrored costs nothing.
    """
    chosen = names or ALL
    if unknown := sorted(set(chosen) - set(ALL)):
        msg = f"There is no mirror {unknown[0]!r}; choose from {', '.join(ALL)}."
        raise ValueError(msg)
    if taken := sorted(own.keys() & set(ALL)):
        msg = f"{taken[0]!r} is a mirror already; name it without a value."
        raise ValueError(msg)
    import reflex as rx

    def _rxbridge_mirror(self: Any, request: HttpRequest | None) -> Awaitable[bool]:
        return mirror_into(self, request, chosen, own)

    known = {**_EMPTY, "language": site_language(), "language_bidi": is_bidi(site_language())}
    empty = {name: known[name] for name in chosen} | own | dict(_PRIVATE)
    namespace: dict[str, Any] = {
        "__module__": __name__,
        "__doc__": "Mirrors of Django, for display only.",
        "__annotations__": {name: _TYPES.get(name, type(value)) for name, value in empty.items()},
        "_rxbridge_mirror": _rxbridge_mirror,
        **{name: _copied(value) for name, value in empty.items()},
    }
    if "perms" in chosen or "group_names" in chosen:

        def _rxbridge_ask(request: HttpRequest) -> None:
            ask_permissions(request, chosen)

        namespace["_rxbridge_ask"] = _rxbridge_ask
    if "messages" in chosen:
        namespace |= {"dismiss": dismiss, "dismiss_all": dismiss_all}
    return made_mixin("Mirrors", (rx.State,), namespace)  # type: ignore[no-any-return]


@open_to_visitors
def dismiss(self: Any, message_id: str) -> None:
    """Take a message off the page."""
    self.messages = [each for each in self.messages if each["id"] != message_id]


@open_to_visitors
def dismiss_all(self: Any) -> None:
    """Take all messages off the page."""
    self.messages = []


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, list | dict) else value


async def mirror_into(
    state: Any,
    request: HttpRequest | None,
    names: Collection[str] = ALL,
    own: Mapping[str, Any] | None = None,
) -> bool:
    """Have ``state`` show what the request says; tell whether anything changed."""
    user: Any = getattr(request, "user", None)
    if (known := known_user(request)) is not None:
        user = known  # each attribute read through a lazy object costs three of these
    try:
        shown = _of_user(user, own or {})
    except SynchronousOnlyOperation:  # An attribute of the user's asks the database.
        shown = await sync_to_async(_of_user)(user, own or {})
    if (code := language_of(request)) != vars(state).get("language"):
        shown |= {"language": code, "language_bidi": is_bidi(code)}
    if "perms" in names or "group_names" in names:
        permissions = _known_permissions(state, request, user)
        if permissions is None:
            of, permissions = vars(request).get(_FOUND, {}).pop(names, (None, {}))
            if of is not user:
                permissions = await sync_to_async(permissions_and_groups)(user, names)
        shown |= permissions
    if "csrf_token" in names:
        shown["csrf_token"] = _csrf_token(state, request)
    if "messages" in names and (messages := await delivered(state, request)) is not None:
        shown["messages"] = messages
    if names is not ALL:
        wanted = {*names, *(own or {})}
        shown = {name: value for name, value in shown.items() if name in wanted}
    return take_over(state, shown)


def ask_permissions(request: HttpRequest, names: Collection[str]) -> None:
    """Ask for what the mirrors will show, on the thread where the user has just been found."""
    found = vars(request).setdefault(_FOUND, {})
    user = known_user(request)
    if user is not None and user.is_authenticated and names not in found:
        with suppress(Exception):  # It is asked for again, where it fails the event.
            found[names] = user, permissions_and_groups(user, names)


def take_over(state: Any, shown: Mapping[str, Any]) -> bool:
    """Set the vars whose value is another; tell whether any is.

    An assignment of what is there already would be sent to the page.
    """
    # Read where Reflex keeps them: through the state each list would come in a proxy of its own.
    held = vars(state)
    changed = {
        name: value
        for name, value in shown.items()
        if (held[name] if name in held else getattr(state, name)) != value
    }
    for name, value in changed.items():
        setattr(state, name, value)
    return bool(changed)


def _of_user(user: Any, own: Mapping[str, Any]) -> dict[str, Any]:
    shown = user_snapshot(user)
    for name, empty in own.items():
        value = getattr(user, name, None) if shown["is_authenticated"] else None
        shown[name] = _copied(empty) if value is None else json_safe(value, name)
    return shown


def _known_permissions(state: Any, request: HttpRequest | None, user: Any) -> dict[str, Any] | None:
    """Return nothing where the permissions and groups shown will do, and None to ask for them.

    They are asked for as a page is shown, when the user is another, and after
    ``PERMISSIONS_LAST`` seconds.
    """
    if user is None or not user.is_authenticated:
        state._permissions_of = ""
        return {"perms": [], "group_names": []}
    of = f"{user.pk} {user.is_active} {getattr(user, 'is_superuser', False)}"
    is_recent = abs(time.time() - state._permissions_at) < PERMISSIONS_LAST
    if state._permissions_of == of and is_recent and not getattr(request, "shows_page", False):
        return {}
    asked = vars(request).setdefault(_ASKED, {})
    name = state.get_full_name()
    if asked.get(name) == of:
        return {}
    state._permissions_of, state._permissions_at, asked[name] = of, time.time(), of
    return None


def _csrf_token(state: Any, request: HttpRequest | None) -> str:
    """Return a token for the browser's secret: the one shown already, if it is of that secret.

    Django masks a secret anew each time it is asked for a token, so it is asked once. It makes
    a secret for a browser without one only as a page is shown; a cookie takes it there.
    """
    if request is None:
        state._csrf_of = ""
        return ""
    meta = request.META
    read_csrf_secret(request)
    is_new = "CSRF_COOKIE" not in meta
    if is_new and not getattr(request, "shows_page", False):
        state._csrf_of = ""
        return ""
    if not is_new and state._csrf_of == _digest(meta["CSRF_COOKIE"]):
        return str(state.csrf_token)
    is_on_its_way = is_new or meta.get("CSRF_COOKIE_NEEDS_UPDATE")
    token = get_token(request)
    if not is_on_its_way:
        # The browser has the cookie; to hand it the same again takes a fetch for nothing.
        del meta["CSRF_COOKIE_NEEDS_UPDATE"]
    state._csrf_of = _digest(meta["CSRF_COOKIE"])
    return token


def _digest(secret: str) -> str:
    # Twice an event: OpenSSL looks each of its own algorithms up, which takes longer than this.
    return hashlib.blake2b(secret.encode(), digest_size=32).hexdigest()


def mirror_language(state: Any, request: HttpRequest | None) -> bool:
    """Have ``state`` show the language and the menu of languages."""
    code = language_of(request)
    if state.language == code and state.languages:
        return False
    return take_over(
        state,
        {
            "language": code,
            "bidi": is_bidi(code),
            "direction": direction_of(code),
            "languages": language_choices(code),
        },
    )
