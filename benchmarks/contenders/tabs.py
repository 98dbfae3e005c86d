"""Browser tabs at Reflex's own event processor, with a sink in place of the socket."""

import contextlib
import uuid
from collections import Counter

from reflex.istate.manager.memory import StateManagerMemory
from reflex.state import State
from reflex_base.event import Event
from reflex_base.event.processor.base_state_processor import BaseStateEventProcessor


class Tabs:
    """The contender whose events go through a Reflex app; ``connect`` makes a tab's headers."""

    def __init__(self, app, handlers, connect):
        self._app = app
        self._events = {
            name: Event.from_event_type(handler)[0].name for name, handler in handlers.items()
        }
        self._connect = connect
        self._processor = BaseStateEventProcessor(
            middleware=app, backend_exception_handler=lambda _: None
        )
        self._stack = contextlib.AsyncExitStack()
        self._tabs = []
        self._names = {}
        self._ran = Counter()
        self._is_running = False

    async def open(self, visitors):
        if not self._is_running:
            self._is_running = True
            await self._start()
        for visitor in visitors:
            token = str(uuid.uuid4())
            headers = {"host": "localhost", "origin": "http://localhost"}
            router_data = {
                "pathname": "/",
                "asPath": "/",
                "query": {},
                "headers": headers | self._connect(visitor),
                "ip": "127.0.0.1",
                "sid": token,
                "token": token,
            }
            self._tabs.append((token, router_data))
            await self._fire(len(self._tabs) - 1, f"{State.get_full_name()}.hydrate")
            await self.fire(len(self._tabs) - 1, "read")

    async def fire(self, tab, event):
        token, _ = self._tabs[tab]
        before = self._ran[token]
        await self._fire(tab, self._events[event])
        if self._ran[token] != before + 1:
            msg = f"The handler of {event} did not run"
            raise RuntimeError(msg)
        return self._names.get(token)

    async def close(self):
        await self._stack.aclose()

    async def emit_update(self, update, token):
        """Take what would go to a page; remember how often and for whom its handlers ran."""
        for changes in update.delta.values():
            for name, value in changes.items():
                if name.startswith("clicks"):
                    self._ran[token] += 1
                elif name.startswith("who"):
                    self._names[token] = value

    async def _fire(self, tab, name):
        token, router_data = self._tabs[tab]
        future = await self._processor.enqueue(token, Event(name=name, router_data=router_data))
        await future

    async def _start(self):
        self._stack.enter_context(self._app.set_contexts())
        self._processor.configure(state_manager=StateManagerMemory(), event_namespace=self)
        await self._stack.enter_async_context(self._processor)


def cookies_in_headers(visitor):
    """Return the headers of a tab whose cookies Reflex keeps."""
    return {"cookie": visitor.cookie, "asgi-scope-client": "127.0.0.1"}
