"""RedisStates: Reflex's states in Redis, locked while an event runs, and shown once stored."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001 - the adapter is where Reflex's internals are touched
from __future__ import annotations

import asyncio
import dataclasses
from collections import defaultdict
from typing import Any, Self
from uuid import uuid4

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


_RELEASE = """
for _, id in ipairs(ARGV) do
    if redis.call('GET', KEYS[1]) == id then redis.call('DEL', KEYS[1]) end
end
"""


@dataclasses.dataclass
class RedisStates(StateManagerRedis):
    """Reflex's own manager of states in Redis, with two promises more.

    The lock of a state lives as long as who works on it, however long that is: it is extended from
    half its expiration on. With its process it ends after one expiration. One that Redis may have
    taken or kept while it did not answer is given up before the next.

    What an event has in its outbox is sent once its state is stored, before the lock is free. A
    page that was shown more than was stored loads again, or is sent all by its next event.
    """

    ahead: set[str] = dataclasses.field(default_factory=set, init=False)
    stale: defaultdict[bytes, set[bytes]] = dataclasses.field(
        default_factory=lambda: defaultdict(set), init=False
    )

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

    async def _try_get_lock(self, lock_key: bytes, lock_id: bytes) -> bool | None:
        if stale := self.stale.get(lock_key):
            redis: Any = self.redis
            await redis.eval(_RELEASE, 1, lock_key, *stale)
            self.stale.pop(lock_key, None)
        try:
            return await super()._try_get_lock(lock_key, lock_id)
        except RedisError:
            self.stale[lock_key].add(lock_id)
            raise

    def _lock(self, token: Any, event_name: str | None = None) -> Any:
        return _KeptLock(self, self._lock_key(token), f"{event_name}:{uuid4().hex}".encode())

    async def release(self, key: bytes, lock_id: bytes) -> None:
        """Delete a lock unless it is another's by now, and wake who waits for it here."""
        redis: Any = self.redis
        try:
            await redis.eval(_RELEASE, 1, key, lock_id)
        except RedisError:
            self.stale[key].add(lock_id)
            raise
        finally:
            self._notify_next_waiter(key)

    async def extend(self, key: bytes, lock_id: bytes) -> None:
        """Give a lock its whole time again and again, until it is another's."""
        redis: Any = self.redis
        held = True
        while held:
            pause = self.half
            try:
                held = await redis.eval(_EXTEND, 1, key, lock_id, self.lock_expiration)
            except RedisError:
                pause /= 5
            await asyncio.sleep(pause)

    @property
    def half(self) -> float:
        """Seconds after which a lock is extended."""
        return self.lock_expiration / 2000


class _KeptLock:
    """A lock of Reflex's that lives as long as who has it. It is no generator, which costs more."""

    __slots__ = ("_id", "_key", "_states", "_task", "_timer")

    def __init__(self, states: RedisStates, key: bytes, lock_id: bytes):
        self._states, self._key, self._id = states, key, lock_id
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> bytes:
        await self._states._wait_lock(self._key, self._id)
        begin_later = asyncio.get_running_loop().call_later
        self._timer = begin_later(self._states.half, self._begin)
        return self._id

    def _begin(self) -> None:
        extending = self._states.extend(self._key, self._id)
        self._task = asyncio.create_task(extending, name="rxbridge_lock")

    async def __aexit__(self, *_: object) -> None:
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
        await self._states.release(self._key, self._id)
