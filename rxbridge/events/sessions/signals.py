"""What Django tells of sessions and users that end, and of browsers that sign in or out."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.utils import timezone

from rxbridge.events.chain.identity import key_of

if TYPE_CHECKING:
    from django.dispatch import Signal
    from django.http import HttpRequest

logger = logging.getLogger("rxbridge")

_OF_A_SESSION = {"session_key", "session_data", "expire_date"}
_HARMLESS = frozenset({"last_login"})


class Listener(Protocol):
    """What is told: on any thread, and after the transaction the change was part of."""

    def on_session_end(self, key: str, *, expired: bool = False) -> None: ...

    def on_user_change(self, key: str, valid: Sequence[str] | None) -> None:
        """Sessions of this user are good only with one of these hashes; with None, none is."""

    def on_browser_change(self, request: HttpRequest) -> None: ...


class SessionSignals:
    """Listen to Django's signals until ``close``, or until nothing holds this any more.

    Nothing is raised into the code that sent a signal.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._uid = f"rxbridge.signals.{secrets.token_hex(8)}"
        self._connected: list[tuple[Signal, Any]] = []
        self._connect(user_logged_in, self._logged_in)
        self._connect(user_logged_out, self._logged_out)
        if (sessions := session_model()) is not None:
            self._connect(post_delete, self._session_deleted, sessions)
        # Signals name the exact class: the admin may save a proxy, or a model that extends it.
        for model in apps.get_models():
            if issubclass(model, get_user_model()):
                self._connect(post_save, self._user_saved, model)
                self._connect(post_delete, self._user_deleted, model)

    def close(self) -> None:
        """Listen no more."""
        for signal, sender in self._connected:
            signal.disconnect(sender=sender, dispatch_uid=self._uid)
        self._connected.clear()

    def _connect(self, signal: Signal, receiver: Callable[..., None], sender: Any = None) -> None:
        signal.connect(receiver, sender=sender, weak=True, dispatch_uid=self._uid)
        self._connected.append((signal, sender))

    def _logged_in(self, *, request: HttpRequest | None = None, **_: Any) -> None:
        with _quietly():
            if request is None:
                return
            # What the browser showed is the key before the login; Django has changed it since.
            before = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
            if before and before != request.session.session_key:
                self._listener.on_session_end(before)
            self._listener.on_browser_change(request)

    def _logged_out(self, *, request: HttpRequest | None = None, **_: Any) -> None:
        with _quietly():
            key = getattr(getattr(request, "session", None), "session_key", None)
            if request is None or key is None:
                return
            self._listener.on_session_end(key)
            self._listener.on_browser_change(request)

    def _session_deleted(self, *, instance: Any, using: str, **_: Any) -> None:
        with _quietly():
            expired = instance.expire_date <= timezone.now()
            _after_commit(
                partial(self._listener.on_session_end, instance.pk, expired=expired), using
            )

    def _user_saved(
        self,
        *,
        instance: Any,
        using: str,
        created: bool = False,
        update_fields: frozenset[str] | None = None,
        **_: Any,
    ) -> None:
        with _quietly():
            if created or (update_fields is not None and update_fields <= _HARMLESS):
                return
            if "password" in instance.get_deferred_fields():
                return  # Not loaded, so not changed; to ask for it would be a query.
            valid = _auth_hashes(instance) if instance.is_active else None
            _after_commit(partial(self._listener.on_user_change, key_of(instance), valid), using)

    def _user_deleted(self, *, instance: Any, using: str, **_: Any) -> None:
        with _quietly():
            _after_commit(partial(self._listener.on_user_change, key_of(instance), None), using)


def session_store() -> Any:
    """Return the ``SessionStore`` of ``settings.SESSION_ENGINE``."""
    return import_module(settings.SESSION_ENGINE).SessionStore


def session_model() -> Any:
    """Return the model of which each session is a row; None where the engine has none.

    An engine that does not say is one whose module has a model of Django's shape, as
    django-user-sessions does.
    """
    if (find := getattr(session_store(), "get_model_class", None)) is not None:
        return find()
    engine = import_module(settings.SESSION_ENGINE)
    for model in apps.get_models():
        fields = {field.name for field in model._meta.fields}  # noqa: SLF001 - documented API
        if getattr(engine, model.__name__, None) is model and fields >= _OF_A_SESSION:
            return model
    return None


def _auth_hashes(user: Any) -> list[str]:
    """Return the hashes Django accepts in a session, those of former secret keys too."""
    fallback = getattr(user, "get_session_auth_fallback_hash", tuple)
    return [user.get_session_auth_hash(), *fallback()]


def _after_commit(tell: Callable[[], None], using: str) -> None:
    # A tab that came back before the commit would still find what the change ends.
    transaction.on_commit(tell, using=using, robust=True)


@contextmanager
def _quietly() -> Generator[None]:
    try:
        yield
    except Exception:
        logger.exception("A signal of Django could not be followed; its sockets stay open")
