"""Uploads that are refused: before their body is read, or in the middle of it."""

import asyncio
import json
import uuid
from contextlib import asynccontextmanager

import httpx
import pytest
from django.contrib.auth.models import User
from django.db import connections as databases
from django.test import Client
from reflex_base.utils.format import format_event_handler

from tests.events.app import Counter
from tests.servers import KINDS, run_server

pytestmark = [pytest.mark.server, pytest.mark.django_db(transaction=True)]

MAX_UPLOAD = 1_000_000
BOUNDARY = "a-boundary"
BEGINNING = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="a.bin"\r\n'
    "Content-Type: application/octet-stream\r\n\r\n"
).encode()
END = f"\r\n--{BOUNDARY}--\r\n".encode()


@pytest.fixture(scope="module", params=KINDS)
def site(request, django_db_setup, tmp_path_factory):
    environment = {
        "RXBRIDGE_TEST_DB": str(databases["default"].settings_dict["NAME"]),
        "RXBRIDGE_TEST_MAX_UPLOAD": str(MAX_UPLOAD),
    }
    with run_server(
        request.param,
        "tests.events.site:application",
        env=environment,
        cwd=tmp_path_factory.mktemp("site"),
    ) as server:
        yield server


@pytest.fixture
def ada():
    client = Client()
    client.force_login(User.objects.create_user("ada"))
    return {name: morsel.value for name, morsel in client.cookies.items()}


@asynccontextmanager
async def begun(site, handler, **headers):
    """Send an upload up to its body, to be sent by the block; nothing is sent behind it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    head = {
        "host": f"127.0.0.1:{site.port}",
        "content-type": f"multipart/form-data; boundary={BOUNDARY}",
        "reflex-client-token": str(uuid.uuid4()),
        "reflex-event-handler": format_event_handler(handler),
        **headers,
    }
    lines = ["POST /_upload HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    try:
        yield reader, writer
    finally:
        writer.close()


async def answer_of(reader):
    """Return the status and the update in the body."""
    async with asyncio.timeout(20):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        body = await reader.readexactly(length)
    return int(head.split()[1]), json.loads(body)


async def post(site, handler, content, cookies):
    async with httpx.AsyncClient(cookies=cookies) as client:
        return await client.post(
            f"{site.url}/_upload",
            headers={
                "reflex-client-token": str(uuid.uuid4()),
                "reflex-event-handler": format_event_handler(handler),
            },
            files={"files": ("a.bin", content, "application/octet-stream")},
        )


async def test_guard_answers_before_the_body_is_there(site):
    page = {"referer": f"{site.url}/members?of=club"}
    length = {"content-length": str(120_000_000)}
    async with begun(site, Counter.upload_private, **length, **page) as (reader, writer):
        writer.write(BEGINNING)
        status, update = await answer_of(reader)
    assert status == 403
    (event,) = update["events"]
    assert "/admin/login/?next=/members%3Fof%3Dclub" in str(event)


async def test_upload_that_the_guard_lets_pass_is_read(site, ada):
    response = await post(site, Counter.upload_private, b"x" * 900_000, ada)
    assert response.status_code == 200
    assert '"count_rx_state_":1' in response.text.replace(" ", "")


@pytest.mark.parametrize("handler", [Counter.upload, Counter.upload_stream])
async def test_length_that_is_too_large_is_413_at_once(site, handler):
    async with begun(site, handler, **{"content-length": str(MAX_UPLOAD + 1)}) as (reader, _):
        status, update = await answer_of(reader)
    assert status == 413
    assert "too large" in str(update["events"])


@pytest.mark.parametrize("handler", [Counter.upload, Counter.upload_stream])
async def test_chunked_upload_is_413_in_the_middle(site, handler, ada):
    async with begun(site, handler, **{"transfer-encoding": "chunked"}) as (reader, writer):
        # Too large by its last bytes; a server may reset a connection it has not read to its end.
        for piece in (BEGINNING, *[b"x" * (MAX_UPLOAD // 16)] * 16):
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        status, _ = await answer_of(reader)
    assert status == 413
    # Nothing is left of it that would hold the next one up.
    assert (await post(site, handler, b"x", ada)).status_code in (200, 202)


async def test_handler_that_takes_no_files_is_400(site):
    async with begun(site, Counter.add, **{"content-length": "1000"}) as (reader, _):
        status, _ = await answer_of(reader)
    assert status == 400
    assert "Counter.add did not run: 400. it takes no files" in site.log


@pytest.mark.parametrize("site", ["uvicorn"], indirect=True)
async def test_more_files_than_a_form_may_have_are_400(site, ada):
    async with httpx.AsyncClient(cookies=ada) as client:
        response = await client.post(
            f"{site.url}/_upload",
            headers={
                "reflex-client-token": str(uuid.uuid4()),
                "reflex-event-handler": format_event_handler(Counter.upload),
            },
            files=[("files", ("a.txt", b"x"))] * 1001,
        )
    assert response.status_code == 400
    assert "Too many files" in response.text
