"""The e-mail of a password reset: sent beside what the tab does next, by a slow mail server."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import pytest
import websockets
from django.contrib.auth.models import User
from django.db import connections as databases

from rxbridge.events.threads.afterwards import Afterwards
from tests.events.wire import connect
from tests.servers import KINDS, run_server

AUTH = "reflex___state____state.tests___state___auth___app____auth"
VISIT = "reflex___state____state.tests___state___auth___app____visit"
# With more threads granian 2.8 ends now and then before it tells the application.
ARGS = {"uvicorn": [], "granian": ["--runtime-mode", "st"]}


class MailServer:
    """As much of SMTP as Django's backend speaks; it takes a mail once ``takes`` is set."""

    def __init__(self) -> None:
        self.began, self.takes = asyncio.Event(), asyncio.Event()
        self.mails: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):  # also where the test is over before the mail is
            writer.write(b"220 slow\r\n")
            while line := await reader.readline():
                verb = line.strip().upper()
                if verb == b"DATA":
                    writer.write(b"354 go on\r\n")
                    self.began.set()
                    mail = (await reader.readuntil(b"\r\n.\r\n")).decode()
                    await self.takes.wait()
                    self.mails.append(mail)
                writer.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 well\r\n")
                if verb == b"QUIT":
                    break


@contextlib.asynccontextmanager
async def mail_server() -> AsyncIterator[tuple[MailServer, int]]:
    mails = MailServer()
    async with await asyncio.start_server(mails.serve, "127.0.0.1", 0) as server:
        try:
            yield mails, server.sockets[0].getsockname()[1]
        finally:
            mails.takes.set()


def site_settings(port: int, **more: str) -> dict[str, str]:
    database = str(databases["default"].settings_dict["NAME"])
    return {"RXBRIDGE_TEST_DB": database, "RXBRIDGE_TEST_SMTP": str(port), **more}


async def ask(tab, email: str) -> None:
    form = {"email": email}
    await tab.fire(f"{AUTH}.request_password_reset", form_data=form)


@pytest.mark.server
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", KINDS)
async def test_next_event_does_not_wait_for_the_mail_and_a_server_that_stops_does(kind, tmp_path):
    await User.objects.acreate_user("ada", "ada@example.com", "correct-horse-1")
    site = "tests.state.auth.mail_site:application"
    async with mail_server() as (mails, port):
        served = run_server(kind, site, env=site_settings(port), cwd=tmp_path, args=ARGS[kind])
        with served as server, contextlib.suppress(websockets.ConnectionClosed):
            async with connect(server.ws_url) as tab:
                await ask(tab, "ada@example.com")
                await asyncio.wait_for(mails.began.wait(), 30)
                await tab.fire(f"{AUTH}.open_password_reset")
                await tab.var("password_reset_sent", False, timeout=30)
                assert mails.mails == []
                server.process.terminate()
                await asyncio.to_thread(server.wait_for_log, "Shutting down", timeout=30)
                mails.takes.set()
                await asyncio.to_thread(server.process.wait, 45)
        assert "ada@example.com" in mails.mails[0]
        assert "Traceback" not in server.log


@pytest.mark.server
@pytest.mark.django_db(transaction=True)
async def test_mail_that_outlasts_the_grace_is_said_to_be_lost(tmp_path):
    await User.objects.acreate_user("ada", "ada@example.com", "correct-horse-1")
    site = "tests.state.auth.mail_site:application"
    async with mail_server() as (mails, port):
        settings = site_settings(port, RXBRIDGE_TEST_GRACE="0.5")
        served = run_server("uvicorn", site, env=settings, cwd=tmp_path)
        with served as server, contextlib.suppress(websockets.ConnectionClosed):
            async with connect(server.ws_url) as tab:
                await ask(tab, "ada@example.com")
                await asyncio.wait_for(mails.began.wait(), 30)
                server.process.terminate()
                await asyncio.to_thread(server.wait_for_log, "1 e-mails", timeout=30)


async def test_what_is_left_is_bounded_for_each_client_and_its_errors_are_logged(caplog):
    afterwards = Afterwards(threads=1, limit=4)
    go_on = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait() -> None:
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()

    def fail() -> None:
        raise LookupError

    caplog.set_level(logging.ERROR, "rxbridge")
    await afterwards.do(wait, fail, wait, client="192.0.2.1")
    assert len(afterwards) == 2
    assert "2 calls wait, 2 of this client" in caplog.text
    await afterwards.do(wait, wait, client="192.0.2.2")
    assert len(afterwards) == 3
    go_on.set()
    await afterwards.ended()
    assert len(afterwards) == 0
    assert "LookupError" in caplog.text
