"""Visitors whose handlers wait for something else, and the next one, who wants a thread."""

import time
from contextlib import AsyncExitStack

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.db import connections as databases
from django.test import Client

from tests.events.wire import connect, vars_of
from tests.servers import KINDS, run_server

SLOW = "reflex___state____state.tests___events___slow_site____slow"
VISITORS, THREADS = 18, 4


def session_of(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


@pytest.mark.server
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", KINDS)
async def test_handlers_that_only_await_hold_no_thread(kind, tmp_path):
    ada = await User.objects.acreate_user("ada")
    keys = [await sync_to_async(session_of)(ada) for _ in range(VISITORS)]
    env = {
        "RXBRIDGE_TEST_DB": str(databases["default"].settings_dict["NAME"]),
        "RXBRIDGE_TEST_THREADS": str(THREADS),
    }
    site = "tests.events.slow_site:application"
    with run_server(kind, site, env=env, cwd=tmp_path) as server:
        async with AsyncExitStack() as stack:
            tabs = [
                await stack.enter_async_context(
                    connect(server.ws_url, cookies={"sessionid": key}, address=f"127.0.1.{number}")
                )
                for number, key in enumerate(keys, start=1)
            ]
            for tab in tabs:
                await tab.fire(f"{SLOW}.hold_user")
            await vars_of(tabs, "begun", "ada", of=VISITORS)
            began = time.monotonic()
            async with connect(server.ws_url, address="127.0.0.2") as other:
                await other.fire(f"{SLOW}.let_threads_go")
                await other.var("begun", "let_threads_go")
                # At once, on a machine that others use too. It would be 30 seconds.
                assert time.monotonic() - began < 3
                await other.fire(f"{SLOW}.release")
                await vars_of(tabs, "begun", "ada", of=VISITORS)
    for key in keys:
        assert (await SessionStore(key).aload())["hold_user"] == "ended"
