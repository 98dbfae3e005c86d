"""Servers that others run: hypercorn, gunicorn with uvicorn's worker, and daphne's refusal."""

import httpx
import pytest
from django.contrib.auth.models import User
from django.db import connections as databases
from django.test import Client
from reflex_base.utils.format import format_event_handler
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect as connect_bare

from tests.events.app import Counter
from tests.events.wire import connect
from tests.servers import run_server

pytestmark = pytest.mark.django_db(transaction=True)
CONTENT = b"0123456789" * 10


@pytest.fixture
def served(tmp_path):
    """Return what serves the test app, on the database of the tests."""
    environment = {"RXBRIDGE_TEST_DB": str(databases["default"].settings_dict["NAME"])}

    def served(kind, *args):
        target = "tests.events.site:application"
        return run_server(kind, target, env=environment, cwd=tmp_path, args=args)

    return served


@pytest.fixture
def ada():
    client = Client()
    client.force_login(User.objects.create_user("ada"))
    return {name: morsel.value for name, morsel in client.cookies.items()}


def test_daphne_starts_nothing_and_is_told_once(served):
    with served("daphne") as server:
        for _ in range(2):
            with pytest.raises(InvalidStatus) as refused:
                connect_bare(f"{server.ws_url}/_event/?EIO=4&transport=websocket&token=t").close()
            assert refused.value.response.status_code == 403
        server.wait_for_log("Reflex was not started")
        assert server.log.count("Reflex was not started") == 1
        assert "Traceback" not in server.log


async def test_hypercorn_serves_events_and_uploads_over_http_2(served, ada):
    with served("hypercorn") as server:
        async with connect(server.ws_url, cookies=ada) as tab:
            await tab.fire(Counter.who)
            await tab.var("name", "ada")
            # HTTP/2 sends each cookie as a header of its own.
            cookies = [("cookie", "theme=dark"), ("cookie", f"sessionid={ada['sessionid']}")]
            async with httpx.AsyncClient(http1=False, http2=True) as browser:
                answer = await browser.post(
                    f"{server.url}/_upload",
                    headers=[
                        ("reflex-client-token", tab.token),
                        ("reflex-event-handler", format_event_handler(Counter.upload)),
                        *cookies,
                    ],
                    files={"files": ("a.txt", CONTENT, "text/plain")},
                )
        assert answer.http_version == "HTTP/2"
        assert f'"count_rx_state_":{len(CONTENT)}' in answer.text.replace(" ", "")
        assert '"name_rx_state_":"ada"' in answer.text.replace(" ", "")


async def test_gunicorn_forks_workers_from_a_preloaded_application(served, ada):
    with served("gunicorn", "--preload", "--workers", "2") as server:
        for _ in range(4):
            async with connect(server.ws_url, cookies=ada) as tab:
                await tab.fire(Counter.who)
                await tab.var("name", "ada")
                await tab.fire(Counter.query_sync)
                await tab.var("count", 1)
    assert "Traceback" not in server.log
