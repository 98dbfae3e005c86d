"""RedisStates: Reflex's states in Redis, locked while an event runs, and shown once stored."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001 - the adapter is where Reflex's internals are touched
from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncGenerator
from typing import Any, Self

from redis.exceptions import RedisError
from reflex.istate.manager.redis import StateManagerRedis
from reflex.state import State
from reflex_base.event import Event
from reflex_base.event.context import EventContext
from reflex_base.utils.exceptions import LockExpiredError

from rxbridge.events.reflex.outbox import Outbox, outbox_of

_EXTEND = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""


@dataclasses.dataclass
class RedisStates(StateManagerRedis):
    """Reflex's own manager of states in Redis, with two promises more.

    The lock of a state lives as long as who works on it, however long that is: it is extended from
    half its expiration on. With its process it ends after one expiration.

    What an event has in its outbox is sent once its state is stored, before the lock is free. A
    page that was shown more than was stored loads again, or is sent all by its next event.
    """

    ahead: set[str] = dataclasses.field(default_factory=set, init=False)

    @classmethod
    def in_place_of(cls, manager: StateManagerRedis) -> Self:
        """Return one with the same Redis and the same times."""
        if manager._lock_task is not None:  # It listens; this one has a listener of its own.
            manager._lock_task.cancel()
        fields = (field.name for field in dataclasses.fields(manager) if field.init)
        return cls(**{name: getattr(manager, name) for name in fields})

    @property
    def stores_each_event(self) -> bool:
        """Whether an event's state is in Redis as the event ends, or seconds later."""
        return not self._oplock_enabled

    async def set_state(self, token: Any, state: Any, **context: Any) -> None:
        """Store a state as Reflex does, then send what waited for that."""
        outbox = outbox_of(self._coerce_token(token).ident)
        try:
            await super().set_state(token, state, **context)
        except (LockExpiredError, RedisError) as error:
            if outbox is not None:
                outbox.has_shown |= isinstance(error, LockExpiredError)
                await self.give_up(outbox)
            raise
        if outbox is not None:
            await outbox.empty()
            if outbox.shows_all:
                self.ahead.discard(outbox.token)

    async def give_up(self, outbox: Outbox) -> None:
        """Have a page whose event is not stored show what is."""
        await outbox.empty(is_stored=False)
        if outbox.has_shown and outbox.token not in self.ahead:
            self.ahead.add(outbox.token)
            load = Event(name=f"{State.get_full_name()}.hydrate_and_load")
            await EventContext.get().enqueue(load)

    @contextlib.asynccontextmanager
    async def _lock(self, token: Any, event_name: str | None = None) -> AsyncGenerator[bytes]:
        async with super()._lock(token, event_name) as lock_id:
            extending: list[asyncio.Task[None]] = []

            def extend() -> None:
                keeping = self._extend(self._lock_key(token), lock_id)
                extending.append(asyncio.create_task(keeping, name="rxbridge_lock"))

            timer = asyncio.get_running_loop().call_later(self._half, extend)
            try:
                yield lock_id
            finally:
                timer.cancel()
                for task in extending:
                    task.cancel()

    async def _extend(self, key: bytes, lock_id: bytes) -> None:
        """Give a lock its whole time again and again, until it is another's."""
        redis: Any = self.redis
        held = True
        while held:
            pause = self._half
            try:
                held = await redis.eval(_EXTEND, 1, key, lock_id, self.lock_expiration)
            except RedisError:
                pause /= 5
            await asyncio.sleep(pause)

    @property
    def _half(self) -> float:
        return self.lock_expiration / 2000
