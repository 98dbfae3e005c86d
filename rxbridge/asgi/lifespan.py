"""Several ASGI apps started and stopped as one."""

import asyncio
import logging
import traceback
from collections.abc import Sequence
from typing import Any

from rxbridge.asgi._types import ASGIApp, Message, Receive, Scope, Send, check_app

logger = logging.getLogger(__name__)

# How long an app that has said it is done may take to return before it is cancelled.
_LINGER_SECONDS = 1.0


class LifespanGroup:
    """An ASGI app for ``lifespan`` scopes that starts ``apps`` in order, stops them in reverse.

    When one refuses to start, those before it are stopped and the server is told its message;
    those after it are never called. When one fails to stop, the others are stopped all the
    same and the server is told at the end. All share the ``state`` of the lifespan scope.

    An app that raises or returns without an answer to startup does not speak lifespan, as with
    uvicorn's ``--lifespan auto``: the others go on without it. An app that raises later is
    logged and not asked to stop.

    Raises ``TypeError`` for an app that cannot be called and ``ValueError`` for one that is
    passed twice::

        application = PrefixRouter(routes, lifespan=LifespanGroup(reflex, api))

    Follows the lifespan protocol of ASGI, version 2.0.
    """

    def __init__(self, *apps: ASGIApp) -> None:
        for index, app in enumerate(apps):
            check_app(app, "an app of LifespanGroup")
            if any(app is other for other in apps[:index]):
                msg = f"{app!r} is passed twice and would be started twice; pass it once."
                raise ValueError(msg)
        self._apps = apps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            msg = (
                f"LifespanGroup answers lifespan, not {scope['type']!r};"
                " pass it as PrefixRouter(lifespan=…)."
            )
            raise ValueError(msg)
        children: list[Lifespan] = []
        try:
            await receive()
            refusal = await self._start(scope, children)
            if refusal is not None:
                await send({"type": "lifespan.startup.failed", "message": refusal})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send(_shutdown_answer(await _stop(children)))
        finally:
            for child in children:
                child.cancel()

    async def _start(self, scope: Scope, children: list["Lifespan"]) -> str | None:
        """Start all, or none: the message of the one that refused."""
        for app in self._apps:
            child = Lifespan(app, scope)
            children.append(child)
            refusal = await child.start()
            if refusal is not None:
                for failure in await _stop(children[:-1]):
                    logger.error("While undoing a failed startup: %s", failure)
                return refusal
        return None


async def _stop(children: Sequence["Lifespan"]) -> list[str]:
    """Stop all in reverse order; the messages of those that failed to."""
    failures = [await child.stop() for child in reversed(children)]
    return [failure for failure in failures if failure is not None]


def _shutdown_answer(failures: Sequence[str]) -> Message:
    if failures:
        return {"type": "lifespan.shutdown.failed", "message": "\n".join(failures)}
    return {"type": "lifespan.shutdown.complete"}


class Lifespan:
    """The lifespan of one app: a task, and the server's side of the protocol with it."""

    def __init__(self, app: ASGIApp, scope: Scope) -> None:
        self._app = app
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._phase = "startup"
        self._answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._error: Exception | None = None
        # The scope is the app's own; the ``state`` in it is the same for all.
        self._task = asyncio.create_task(self._run(dict(scope)))

    async def start(self) -> str | None:
        """Start the app; its message if it refused."""
        answer = await self._ask("startup")
        if answer is None:
            self._log_silence()
            return None
        if answer["type"] == "lifespan.startup.complete":
            return None
        await self._finish()
        return answer.get("message") or f"{self._app!r} failed to start."

    async def stop(self) -> str | None:
        """Stop the app if it still runs; its message if it failed to."""
        if self._task.done():
            return None
        answer = await self._ask("shutdown")
        await self._finish()
        if answer is None:
            return None if self._error is None else _traceback(self._error)
        if answer["type"] == "lifespan.shutdown.complete":
            return None
        return answer.get("message") or f"{self._app!r} failed to stop."

    def cancel(self) -> None:
        self._task.cancel()

    async def _ask(self, phase: str) -> Message | None:
        """What the app answers, or None when it ends without an answer."""
        self._phase = phase
        self._answer = asyncio.get_running_loop().create_future()
        self._inbox.put_nowait({"type": f"lifespan.{phase}"})
        either: set[asyncio.Future[Any]] = {self._answer, self._task}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        return self._answer.result() if self._answer.done() else None

    async def _send(self, message: Message) -> None:
        answers = (f"lifespan.{self._phase}.complete", f"lifespan.{self._phase}.failed")
        if message["type"] not in answers or self._answer.done():
            msg = f"{message['type']!r} answers nothing; send one of {answers} once."
            raise RuntimeError(msg)
        self._answer.set_result(message)

    async def _run(self, scope: Scope) -> None:
        try:
            await self._app(scope, self._inbox.get, self._send)
        except Exception as error:  # Whatever an app raises must not stop the others.
            self._error = error
            if self._is_up():
                logger.exception("%r ended its lifespan; it will not be stopped", self._app)

    def _is_up(self) -> bool:
        answer = self._answer.result() if self._answer.done() else {}
        return answer.get("type") == "lifespan.startup.complete"

    def _log_silence(self) -> None:
        """An error from behind ``receive()`` is a startup that broke, and not to be hidden."""
        if self._error is not None and self._inbox.empty():
            logger.warning("%r broke in startup; going on", self._app, exc_info=self._error)
        else:
            logger.info("%r does not speak lifespan; going on without it", self._app)

    async def _finish(self) -> None:
        """Let the app return by itself, for a moment."""
        await asyncio.wait({self._task}, timeout=_LINGER_SECONDS)
        self._task.cancel()
        await asyncio.wait({self._task}, timeout=_LINGER_SECONDS)


def _traceback(error: Exception) -> str:
    return "".join(traceback.format_exception(error))
