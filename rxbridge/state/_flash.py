"""Flash messages on their way from Django's storage to the tab they are for."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.contrib.messages import constants, get_messages

from rxbridge.events.binder import binding_now
from rxbridge.events.chain.identity import MESSAGE_STORAGES
from rxbridge.state.language import plain_text

if TYPE_CHECKING:
    from django.contrib.messages.storage.base import BaseStorage
    from django.http import HttpRequest

_KEPT = 20
"""Messages a page keeps that nobody dismisses; beyond it the oldest goes."""

_ON_REQUEST = "_rxbridge_inbox"


class _Inbox:
    """The messages one request has brought, and how many of them each state has had."""

    def __init__(self) -> None:
        self.entries: list[dict[str, str]] = []
        self.read = 0
        self.had: dict[str, int] = {}

    def take(self, storage: BaseStorage, *, stored: bool) -> None:
        """Take what was added in this event and, with ``stored``, what was kept from before.

        What is taken is not kept by Django for a later page.
        """
        if not stored:
            added = _queued(storage)
            if added:
                self.entries += map(_entry, added)
                added.clear()
                storage.added_new = False
        elif len(storage) > self.read:
            self.entries += map(_entry, list(storage)[self.read :])
            self.read = len(storage)

    def new_for(self, state: str) -> list[dict[str, str]]:
        """Return those that a state has not had yet."""
        start, self.had[state] = self.had.get(state, 0), len(self.entries)
        return self.entries[start:]


async def delivered(state: Any, request: HttpRequest | None) -> list[dict[str, str]] | None:
    """Return the messages ``state`` is to show; ``None`` where it shows them already.

    What an event adds is taken by that event. What Django's views have left is taken as a page
    is shown, so that no event of another tab takes it away.
    """
    if request is None:
        return []
    inbox: _Inbox | None = vars(request).get(_ON_REQUEST)
    if inbox is None:
        if not (getattr(request, "shows_page", False) or _queued(get_messages(request))):
            return None
        inbox = vars(request)[_ON_REQUEST] = _Inbox()
    name = state.get_full_name()
    # A page that loads begins without those of its last load.
    begins = getattr(request, "loads_page", False) and name not in inbox.had
    await _fill(inbox, request)
    new = inbox.new_for(name)
    if not new and not begins:
        return None
    shown = [] if begins else [dict(each) for each in state.messages]
    return (shown + new)[-_KEPT:]


async def _fill(inbox: _Inbox, request: HttpRequest) -> None:
    storage: Any = get_messages(request)
    stored = getattr(request, "shows_page", False)
    if not (stored or _queued(storage)):
        return
    binding = binding_now.get()
    if isinstance(storage, list) or (binding is not None and binding.destination is not None):
        return  # Without messages; or the page that the browser goes to then is to show them.
    # These read the cookie or the session, both of which are loaded by then.
    if type(storage) in MESSAGE_STORAGES:
        inbox.take(storage, stored=stored)
    else:
        await sync_to_async(inbox.take)(storage, stored=stored)


def _queued(storage: Any) -> list[Any] | None:
    """Return the messages that this event has added."""
    return getattr(storage, "_queued_messages", None)


def _entry(message: Any) -> dict[str, str]:
    return {
        "id": secrets.token_hex(6),
        "level": constants.DEFAULT_TAGS.get(message.level, plain_text(message.level)),
        "tags": plain_text(message.tags),
        "text": plain_text(message.message),
    }
