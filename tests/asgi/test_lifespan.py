"""LifespanGroup, driven as a server drives it and served by real servers."""

import asyncio
import contextlib
import gc
import logging
import os

import httpx
import pytest
from django.core.asgi import get_asgi_application
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from rxbridge.asgi.lifespan import LifespanGroup
from rxbridge.asgi.prefix_router import PrefixRouter
from tests.servers import KINDS, Kind, ServerFailed, run_server

UP, DOWN = {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}
UP_DONE, DOWN_DONE = {"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}
LOGGER = "rxbridge.asgi.lifespan"


def speaking(name, events, *, up=UP_DONE, down=DOWN_DONE):
    """An app that notes its startup and shutdown in ``events`` and answers as it is told."""

    async def app(scope, receive, send):
        assert await receive() == UP
        await asyncio.sleep(0)
        events.append(f"+{name}")
        await send(up)
        if up is UP_DONE:
            assert await receive() == DOWN
            await asyncio.sleep(0)
            events.append(f"-{name}")
            await send(down)

    return app


async def drive(group, *, state=None, between=None):
    """The answers of ``group`` to a server's startup and, if it came up, shutdown."""
    inbox, sent = asyncio.Queue(), asyncio.Queue()
    scope = {"type": "lifespan"} if state is None else {"type": "lifespan", "state": state}
    running = asyncio.create_task(group(scope, inbox.get, sent.put))
    answers = []
    async with asyncio.timeout(10):
        await inbox.put(UP)
        answers.append(await sent.get())
        if answers[0] == UP_DONE:
            if between is not None:
                await between()
            await inbox.put(DOWN)
            answers.append(await sent.get())
        await running
    assert asyncio.all_tasks() == {asyncio.current_task()}
    return answers


async def test_apps_start_in_order_and_stop_in_reverse():
    events = []
    group = LifespanGroup(*(speaking(name, events) for name in "abc"))
    assert await drive(group) == [UP_DONE, DOWN_DONE]
    assert events == ["+a", "+b", "+c", "-c", "-b", "-a"]


async def test_group_can_run_again():
    events = []
    group = LifespanGroup(speaking("a", events))
    await drive(group)
    await drive(group)
    assert events == ["+a", "-a"] * 2


async def test_group_of_none_answers():
    assert await drive(LifespanGroup()) == [UP_DONE, DOWN_DONE]


async def test_groups_nest():
    events = []
    inner = LifespanGroup(speaking("b", events), speaking("c", events))
    group = LifespanGroup(speaking("a", events), inner, speaking("d", events))
    assert await drive(group) == [UP_DONE, DOWN_DONE]
    assert events == ["+a", "+b", "+c", "+d", "-d", "-c", "-b", "-a"]


async def test_next_app_starts_only_when_the_one_before_it_is_up():
    events = []

    async def slow(scope, receive, send):
        await receive()
        await asyncio.sleep(0.05)
        events.append("slow is up")
        await send(UP_DONE)
        await receive()
        await send(DOWN_DONE)

    await drive(LifespanGroup(slow, speaking("a", events)))
    assert events == ["slow is up", "+a", "-a"]


# -- refused startup ----------------------------------------------------------------------


def refusing(message="no database"):
    return {"type": "lifespan.startup.failed", "message": message}


async def test_refused_startup_stops_those_already_up_and_calls_no_other():
    events = []
    group = LifespanGroup(
        speaking("a", events),
        speaking("b", events),
        speaking("c", events, up=refusing()),
        speaking("d", events),
    )
    assert await drive(group) == [refusing()]
    assert events == ["+a", "+b", "+c", "-b", "-a"]


async def test_refused_startup_of_a_starlette_app_carries_its_traceback():
    @contextlib.asynccontextmanager
    async def lifespan(app):
        raise LookupError("no database")
        yield

    events = []
    group = LifespanGroup(speaking("a", events), Starlette(lifespan=lifespan))
    [answer] = await drive(group)
    assert answer["type"] == "lifespan.startup.failed"
    assert "LookupError: no database" in answer["message"]
    assert events == ["+a", "-a"]


async def test_refusal_without_a_message_names_the_app():
    group = LifespanGroup(speaking("a", [], up={"type": "lifespan.startup.failed"}))
    [answer] = await drive(group)
    assert "speaking" in answer["message"]


async def test_failure_while_undoing_a_startup_is_logged_and_the_rest_is_undone(caplog):
    events = []
    broken = {"type": "lifespan.shutdown.failed", "message": "stuck pool"}
    group = LifespanGroup(
        speaking("a", events),
        speaking("b", events, down=broken),
        speaking("c", events, up=refusing()),
    )
    assert await drive(group) == [refusing()]
    assert events == ["+a", "+b", "+c", "-b", "-a"]
    assert "stuck pool" in caplog.text


# -- apps that do not speak lifespan ------------------------------------------------------


async def raises_at_once(scope, receive, send):
    raise ValueError("only http here")


async def returns_at_once(scope, receive, send):
    return


async def returns_after_receive(scope, receive, send):
    await receive()


async def raises_after_receive(scope, receive, send):
    await receive()
    raise ValueError("startup broke")


async def is_cancelled_in_startup(scope, receive, send):
    await receive()
    raise asyncio.CancelledError


SILENT = [
    raises_at_once,
    returns_at_once,
    returns_after_receive,
    raises_after_receive,
    is_cancelled_in_startup,
]


@pytest.mark.parametrize("silent", SILENT)
async def test_app_without_an_answer_to_startup_is_gone_on_without(silent):
    events = []
    group = LifespanGroup(speaking("a", events), silent, speaking("b", events))
    assert await drive(group) == [UP_DONE, DOWN_DONE]
    assert events == ["+a", "+b", "-b", "-a"]


async def test_django_is_gone_on_without():
    events = []
    group = LifespanGroup(get_asgi_application(), speaking("a", events))
    assert await drive(group) == [UP_DONE, DOWN_DONE]
    assert events == ["+a", "-a"]


@pytest.mark.parametrize(
    ("silent", "level"),
    [
        (raises_at_once, logging.INFO),
        (returns_at_once, logging.INFO),
        (raises_after_receive, logging.WARNING),
    ],
)
async def test_only_an_error_behind_receive_is_a_warning_with_its_traceback(silent, level, caplog):
    caplog.set_level(logging.INFO, LOGGER)
    await drive(LifespanGroup(silent))
    [record] = caplog.records
    assert record.levelno == level
    assert (record.exc_info is not None) == (level == logging.WARNING)


# -- apps that end early or late ----------------------------------------------------------


async def test_app_that_crashes_later_is_logged_and_not_stopped(caplog):
    crash = asyncio.Event()
    events = []

    async def crashes(scope, receive, send):
        await receive()
        await send(UP_DONE)
        await crash.wait()
        raise LookupError("lost the broker")

    async def between():
        crash.set()
        await asyncio.sleep(0.01)
        assert "lost the broker" in caplog.text

    group = LifespanGroup(speaking("a", events), crashes, speaking("b", events))
    assert await drive(group, between=between) == [UP_DONE, DOWN_DONE]
    assert events == ["+a", "+b", "-b", "-a"]
    assert len(caplog.records) == 1


async def test_app_that_returns_once_it_is_up_is_not_stopped(caplog):
    async def starter(scope, receive, send):
        await receive()
        await send(UP_DONE)

    assert await drive(LifespanGroup(starter)) == [UP_DONE, DOWN_DONE]
    assert caplog.records == []


async def loops_for_ever(scope, receive, send):
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})


async def hangs_after_refusal(scope, receive, send):
    await receive()
    await send(refusing())
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("endless", "answers"),
    [(loops_for_ever, [UP_DONE, DOWN_DONE]), (hangs_after_refusal, [refusing()])],
)
async def test_app_that_does_not_return_is_cancelled(endless, answers):
    assert await drive(LifespanGroup(endless)) == answers


async def test_app_may_tidy_up_after_its_last_answer():
    events = []

    async def tidy(scope, receive, send):
        await receive()
        await send(UP_DONE)
        await receive()
        await send(DOWN_DONE)
        await asyncio.sleep(0.01)
        events.append("tidied")

    await drive(LifespanGroup(speaking("a", events), tidy))
    assert events == ["+a", "tidied", "-a"]


@pytest.mark.parametrize("extra", [UP_DONE, DOWN_DONE, {"type": "http.response.start"}, refusing()])
async def test_message_out_of_turn_is_an_error_in_the_app_that_sent_it(extra, caplog):
    errors = []

    async def chatty(scope, receive, send):
        await receive()
        await send(UP_DONE)
        try:
            await send(extra)
        except RuntimeError as error:
            errors.append(str(error))
        await receive()
        await send(DOWN_DONE)

    assert await drive(LifespanGroup(chatty)) == [UP_DONE, DOWN_DONE]
    assert len(errors) == 1
    assert extra["type"] in errors[0]


async def test_answer_to_another_question_does_not_count_as_being_up(caplog):
    async def confused(scope, receive, send):
        await receive()
        await send(DOWN_DONE)

    assert await drive(LifespanGroup(confused)) == [UP_DONE, DOWN_DONE]
    assert "'lifespan.shutdown.complete' answers nothing" in caplog.text


# -- failed shutdown ----------------------------------------------------------------------


async def raises_in_shutdown(scope, receive, send):
    await receive()
    await send(UP_DONE)
    await receive()
    raise LookupError("flush failed")


async def test_all_are_stopped_and_every_failed_shutdown_is_reported():
    events = []
    broken = {"type": "lifespan.shutdown.failed", "message": "stuck pool"}
    group = LifespanGroup(
        speaking("a", events), speaking("b", events, down=broken), raises_in_shutdown
    )
    up, down = await drive(group)
    assert up == UP_DONE
    assert down["type"] == "lifespan.shutdown.failed"
    assert "stuck pool" in down["message"]
    assert "LookupError: flush failed" in down["message"]
    assert events == ["+a", "+b", "-b", "-a"]


async def test_failed_shutdown_of_a_starlette_app_is_reported_once():
    @contextlib.asynccontextmanager
    async def lifespan(app):
        yield
        raise LookupError("flush failed")

    _, down = await drive(LifespanGroup(Starlette(lifespan=lifespan)))
    assert down["type"] == "lifespan.shutdown.failed"
    assert down["message"].count("LookupError: flush failed") == 1


async def test_return_without_an_answer_to_shutdown_is_a_shutdown():
    async def quiet(scope, receive, send):
        await receive()
        await send(UP_DONE)
        await receive()

    assert await drive(LifespanGroup(quiet)) == [UP_DONE, DOWN_DONE]


# -- state --------------------------------------------------------------------------------


def keeping(name, seen):
    async def app(scope, receive, send):
        seen[name] = dict(scope["state"])
        scope["state"][name] = name
        await speaking(name, [])(scope, receive, send)

    return app


async def test_state_of_the_server_is_shared_by_all():
    seen, state = {}, {}
    await drive(LifespanGroup(keeping("a", seen), keeping("b", seen)), state=state)
    assert seen == {"a": {}, "b": {"a": "a"}}
    assert state == {"a": "a", "b": "b"}


async def test_state_is_not_made_up_where_the_server_has_none():
    scopes = []

    async def app(scope, receive, send):
        scopes.append(scope)

    await drive(LifespanGroup(app))
    assert scopes == [{"type": "lifespan"}]


async def test_apps_have_a_scope_of_their_own():
    async def meddler(scope, receive, send):
        scope["type"] = "meddled"

    scopes = []

    async def app(scope, receive, send):
        scopes.append(dict(scope))

    await drive(LifespanGroup(meddler, app))
    assert scopes == [{"type": "lifespan"}]


# -- misuse, cancellation -----------------------------------------------------------------


@pytest.mark.parametrize("scope_type", ["http", "websocket"])
async def test_other_scopes_are_rejected_with_a_remedy(scope_type):
    with pytest.raises(ValueError, match="PrefixRouter"):
        await LifespanGroup()({"type": scope_type}, None, None)


def test_same_app_twice_is_a_value_error():
    with pytest.raises(ValueError, match="twice"):
        LifespanGroup(raises_at_once, returns_at_once, raises_at_once)


@pytest.mark.parametrize("app", [None, "module:app", 1])
def test_app_that_cannot_be_called_is_a_type_error(app):
    with pytest.raises(TypeError, match="ASGI app"):
        LifespanGroup(app)


@pytest.mark.parametrize("app", [speaking("a", []), raises_at_once, loops_for_ever])
async def test_cancelled_group_leaves_no_task_behind(app):
    async def send(message):
        running.cancel()

    inbox = asyncio.Queue()
    inbox.put_nowait(UP)
    running = asyncio.create_task(LifespanGroup(app)({"type": "lifespan"}, inbox.get, send))
    with pytest.raises(asyncio.CancelledError):
        await running
    await asyncio.sleep(0.01)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    gc.collect()  # A task or an exception nobody asked for would warn here.


# -- real servers -------------------------------------------------------------------------


def announcing(name, *, fails=False):
    @contextlib.asynccontextmanager
    async def lifespan(app):
        if fails:
            raise LookupError(f"{name} has no database")
        print(f"up {name}")
        yield {name: f"state of {name}"}
        print(f"down {name}")

    async def page(request):
        return PlainTextResponse(f"{request.state.a}, {request.state.b}")

    return Starlette(routes=[Route("/{rest:path}", page)], lifespan=lifespan)


def served():
    """The application of the server tests, with a failing part where the environment asks."""
    a, b, c = (
        announcing("a"),
        announcing("b"),
        announcing("c", fails=bool(os.environ.get("FAIL_C"))),
    )
    group = LifespanGroup(a, get_asgi_application(), b, c)
    return PrefixRouter({"/a": a, "/b": b}, lifespan=group)


def announcements(log):
    return [line for line in log.splitlines() if line.startswith(("up ", "down "))]


@pytest.mark.server
@pytest.mark.parametrize("kind", KINDS)
async def test_real_server_starts_and_stops_all_and_shares_their_state(kind: Kind):
    factory = ["--factory"]
    with run_server(kind, "tests.asgi.test_lifespan:served", args=factory) as server:
        async with httpx.AsyncClient(base_url=server.url) as browser:
            answer = await browser.get("/b/x")
    assert answer.text == "state of a, state of b"
    assert announcements(server.log) == ["up a", "up b", "up c", "down c", "down b", "down a"]
    assert "Traceback" not in server.log


@pytest.mark.server
@pytest.mark.parametrize("kind", KINDS)
def test_real_server_rolls_back_and_ends_when_one_refuses_to_start(kind: Kind):
    target, factory, env = "tests.asgi.test_lifespan:served", ["--factory"], {"FAIL_C": "1"}
    with (
        pytest.raises(ServerFailed) as failed,
        run_server(kind, target, args=factory, env=env, timeout=20),
    ):
        pass
    assert announcements(failed.value.log) == ["up a", "up b", "down b", "down a"]
    assert "LookupError: c has no database" in failed.value.log
