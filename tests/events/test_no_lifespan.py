"""A server that starts nothing: one clear message in place of a line per event."""

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.servers import run_server

pytestmark = pytest.mark.server


def test_a_server_without_lifespan_says_what_is_wrong_once(tmp_path):
    args = ["--lifespan", "off"]
    with run_server("uvicorn", "tests.events.site:application", cwd=tmp_path, args=args) as server:
        for _ in range(2):
            with pytest.raises(InvalidStatus) as refused:
                connect(f"{server.ws_url}/_event/?EIO=4&transport=websocket&token=t").close()
            assert refused.value.response.status_code == 403
        server.wait_for_log("Reflex was not started")
        assert server.log.count("Reflex was not started") == 1
        assert "Traceback" not in server.log


def test_a_server_with_lifespan_is_served(tmp_path):
    with run_server("uvicorn", "tests.events.site:application", cwd=tmp_path) as server:
        with connect(f"{server.ws_url}/_event/?EIO=4&transport=websocket&token=t") as socket:
            assert socket.recv(timeout=10).startswith("0{")
        assert "Reflex was not started" not in server.log
