"""Sessions, and what a bridge refuses whose parts do not know each other."""

import pytest
from django.conf import settings

from rxbridge.asgi import ConnectionRegistry, CookieHandoff, LifespanGroup
from rxbridge.events import (
    ContextBinder,
    EventBridge,
    MiddlewareRunner,
    Revalidator,
    SessionRevoker,
    Sessions,
    SyntheticRequestFactory,
)

registry = ConnectionRegistry()


def revoking(**options):
    revoker = SessionRevoker(registry, **options)
    return {
        "revoker": revoker,
        "handoff": CookieHandoff(registry, on_confirmed=revoker.confirmed),
    }


def test_parts_know_each_other():
    sessions = Sessions(registry, check_every=30, path="/_tickets")
    assert sessions.handoff.on_confirmed == sessions.revoker.confirmed
    assert sessions.revoker.revalidator is sessions.identity
    assert sessions.identity.interval == 30
    assert sessions.path == sessions.handoff.path == "/_tickets"


def test_bridge_takes_them_as_one():
    sessions = Sessions(registry, check_every=30)
    bridge = EventBridge(registry, sessions=sessions)
    assert bridge.handoff is sessions.handoff
    assert bridge.revoker is sessions.revoker
    assert bridge.runner.identity is sessions.identity
    assert bridge.requests.connections is registry


def test_without_check_every_each_event_is_checked():
    assert EventBridge(registry, sessions=Sessions(registry)).runner.identity is None


@pytest.mark.parametrize(
    ("remedy", "parts"),
    [
        ("on_confirmed", lambda: revoking() | {"handoff": CookieHandoff(registry)}),
        (
            "same Revalidator",
            lambda: revoking() | {"runner": MiddlewareRunner([], identity=Revalidator())},
        ),
        ("same Revalidator", lambda: revoking(revalidator=Revalidator())),
        (
            "sessions.identity",
            lambda: {
                "sessions": Sessions(registry, check_every=9),
                "runner": MiddlewareRunner([]),
            },
        ),
        ("leave handoff=", lambda: {"sessions": Sessions(registry), **revoking()}),
        ("revoker=", lambda: {"handoff": revoking()["handoff"]}),
        ("different ConnectionRegistry", lambda: {"sessions": Sessions(ConnectionRegistry())}),
        (
            "different ConnectionRegistry",
            lambda: {"requests": SyntheticRequestFactory(ConnectionRegistry())},
        ),
    ],
)
def test_forgotten_cross_reference_is_a_value_error(remedy, parts):
    with pytest.raises(ValueError, match=remedy):
        EventBridge(registry, **parts())


def test_separate_parts_that_know_each_other_are_taken():
    identity = Revalidator()
    runner = MiddlewareRunner(settings.MIDDLEWARE, identity=identity)
    bridge = EventBridge(registry, runner=runner, **revoking(revalidator=identity))
    assert bridge.runner is runner


def test_bridge_without_registry_or_requests_is_a_value_error():
    with pytest.raises(ValueError, match=r"EventBridge\(connections\)"):
        EventBridge()


def test_former_call_works_with_a_warning():
    requests, runner, binder = (
        SyntheticRequestFactory(registry),
        MiddlewareRunner([]),
        ContextBinder(),
    )
    with pytest.warns(DeprecationWarning, match=r"EventBridge\(connections\)") as caught:
        bridge = EventBridge(requests, runner, binder)
    assert (bridge.requests, bridge.runner, bridge.binder) == (requests, runner, binder)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("seconds", [0, -1])
def test_interval_that_is_none_is_a_value_error(seconds):
    with pytest.raises(ValueError, match="check_every"):
        Sessions(registry, check_every=seconds)


async def answers(app, scope, *messages):
    inbox, outbox = list(messages), []

    async def receive():
        return inbox.pop(0)

    async def send(message):
        outbox.append(message)

    await app(scope, receive, send)
    return outbox


async def test_it_answers_lifespan_in_a_group():
    sent = await answers(
        LifespanGroup(Sessions(registry)),
        {"type": "lifespan", "asgi": {"version": "3.0"}},
        {"type": "lifespan.startup"},
        {"type": "lifespan.shutdown"},
    )
    assert [each["type"] for each in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


async def test_it_answers_its_path_as_the_hand_off_does():
    scope = {"type": "http", "method": "POST", "path": "/_cookies", "headers": []}
    sent = await answers(Sessions(registry), scope, {"type": "http.request"})
    assert sent[0]["status"] == 403


def test_a_hand_off_has_its_own_options_and_moves_what_an_event_wrote():
    sessions = Sessions(registry, renew_every=5)
    assert sessions.handoff._renew_every == 5
    assert sessions.handoff._on_conflict == sessions.revoker.reunite
