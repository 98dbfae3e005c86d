"""DevProxy between real sockets: a server in the place of Vite, and one that has the proxy."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from uvicorn.server import ServerState
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

from rxbridge.asgi import DevProxy, OriginGuard, PrefixRouter, SPAStaticApp
from tests.servers import free_port


class Vite:
    """An app that remembers its requests and answers as it is told to."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []
        self.body = b""
        self.status = 200
        self.headers: list[tuple[bytes, bytes]] = []
        self.chunks = [b"from vite"]
        self.received: list[Any] = []
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.gone = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        await (self.talk if scope["type"] == "websocket" else self.answer)(scope, receive, send)

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            self.body += message["body"]
            if not message["more_body"]:
                break
        start = {"type": "http.response.start", "status": self.status, "headers": self.headers}
        await send(start)
        for chunk in self.chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await self.go_on.wait()
        await send({"type": "http.response.body", "body": b""})

    async def talk(self, scope: Any, receive: Any, send: Any) -> None:
        """Accept, answer each message twice as long, close when told "close <code>"."""
        await receive()
        if "token=wrong" in scope["query_string"].decode():
            await send({"type": "websocket.close"})
            return
        await send({"type": "websocket.accept", "subprotocol": scope["subprotocols"][0]})
        while (message := await receive())["type"] == "websocket.receive":
            text, octets = message.get("text"), message.get("bytes")
            if text and text.startswith("close"):
                await send({"type": "websocket.close", "code": int(text[6:]), "reason": "asked"})
            elif text:
                await send({"type": "websocket.send", "text": text * 2})
            else:
                await send({"type": "websocket.send", "bytes": octets * 2})
        self.received.append(message)
        self.gone.set()


@asynccontextmanager
async def serving(app: Any, port: int | None = None) -> AsyncIterator[str]:
    """Serve ``app`` in this loop; its host and port."""
    # Of uvicorn the protocol alone: its server takes its time to end.
    config = uvicorn.Config(app, log_level="critical")
    config.load()
    state = ServerState()
    state.default_headers = [(b"date", b"now")]
    protocol: Any = config.http_protocol_class
    server = await asyncio.get_running_loop().create_server(
        lambda: protocol(config=config, server_state=state, app_state={}), "127.0.0.1", port or 0
    )
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for connection in list(state.connections):
            connection.shutdown()
        if state.tasks:
            await asyncio.wait(state.tasks, timeout=5)


@pytest.fixture
async def vite() -> Vite:
    return Vite()


@pytest.fixture
async def proxy(vite: Vite) -> AsyncIterator[str]:
    async with serving(vite) as target, serving(DevProxy(f"http://{target}")) as address:
        yield address


@pytest.fixture
async def client(proxy: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://{proxy}", trust_env=False) as client:
        yield client


def headers_of(vite: Vite) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in vite.scopes[-1]["headers"]}


class TestRequests:
    @pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    async def test_method_path_query_and_body_arrive(self, vite: Vite, client: Any, method: str):
        # What Vite's own addresses look like.
        path = "/@id/__x00__virtual:x/caf%C3%A9%20%2F.jsx?t=1&import&a=%26"
        answer = await client.request(method, path, content=b"x" * 100_000)
        scope = vite.scopes[-1]
        assert answer.text == "from vite"
        assert (scope["method"], len(vite.body)) == (method, 100_000)
        assert scope["raw_path"] == b"/@id/__x00__virtual:x/caf%C3%A9%20%2F.jsx"
        assert scope["query_string"] == b"t=1&import&a=%26"

    @pytest.mark.parametrize(
        ("path", "sent"),
        [
            ("/@id/__x00__virtual:x", b"/@id/__x00__virtual:x"),
            ("/café 100%?/$.jsx", b"/caf%C3%A9%20100%25%3F/$.jsx"),
        ],
    )
    async def test_path_of_a_server_that_decodes_it_is_vites_own_again(
        self, vite: Vite, path: str, sent: bytes
    ):
        async with serving(vite) as target:
            proxy = DevProxy(f"http://{target}")

            async def decoding(scope: Any, receive: Any, send: Any) -> None:
                await proxy({**scope, "raw_path": None, "path": path}, receive, send)

            async with serving(decoding) as address, httpx.AsyncClient() as client:
                await client.get(f"http://{address}/")
        assert vite.scopes[-1]["raw_path"] == sent

    async def test_headers_are_those_of_the_browser(self, vite: Vite, client: Any, proxy: str):
        sent = {"accept": "text/x", "accept-encoding": "br", "origin": "http://a.example"}
        await client.get("/", headers=sent | {"user-agent": "browser"})
        received = headers_of(vite)
        # Host and Origin as well, which Vite judges by its own rules.
        assert received == sent | {"user-agent": "browser", "host": proxy}

    @pytest.mark.parametrize(
        "header",
        [
            ("Cookie", "sessionid=secret"),
            ("Authorization", "Basic c2VjcmV0"),
            ("Proxy-Authorization", "Basic c2VjcmV0"),
            ("Connection", "keep-alive, X-Named"),
            ("X-Named", "by Connection"),
            ("Keep-Alive", "timeout=5"),
            ("TE", "trailers"),
            ("Upgrade", "h2c"),
        ],
    )
    async def test_what_is_not_for_vite_is_not_sent(
        self, vite: Vite, client: Any, header: tuple[str, str]
    ):
        await client.get("/", headers=dict([header, ("Connection", "x-named")]) | dict([header]))
        assert header[0].lower() not in headers_of(vite)

    async def test_body_is_streamed_in(self, vite: Vite, client: Any):
        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield b"part"
                await asyncio.sleep(0)

        await client.post("/", content=chunks())
        assert vite.body == b"partpartpart"

    async def test_dot_segments_and_odd_bytes_reach_vite_as_a_path(self, vite: Vite, proxy: str):
        for path in (rb"/a/../b", b"/\xff", b"/a\\b", b"/%00", b"//x/y"):
            reader, writer = await asyncio.open_connection(*proxy.split(":"))
            writer.write(b"GET %b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n" % path)
            assert (await reader.read()).startswith(b"HTTP/1.1 "), path
            writer.close()

    async def test_target_that_is_no_path_is_refused(self, proxy: str):
        reader, writer = await asyncio.open_connection(*proxy.split(":"))
        writer.write(b"OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        writer.close()


class TestAnswers:
    async def test_status_headers_and_encoded_body_are_returned(self, vite: Vite, client: Any):
        vite.status = 404
        vite.headers = [(b"content-type", b"text/javascript"), (b"etag", b'"1"'), (b"vary", b"a")]
        answer = await client.get("/missing")
        assert (answer.status_code, answer.text) == (404, "from vite")
        for name in ("content-type", "etag", "vary"):
            assert answer.headers.get_list(name) == [dict(vite.headers)[name.encode()].decode()]
        assert len(answer.headers.get_list("date")) == 1

    @pytest.mark.parametrize("name", ["Set-Cookie", "Keep-Alive", "X-Named"])
    async def test_what_is_not_for_the_browser_is_dropped(self, vite: Vite, client: Any, name: str):
        vite.headers = [(name.encode(), b"sessionid=stolen"), (b"connection", b"x-named")]
        assert name not in (await client.get("/")).headers

    async def test_redirect_is_handed_on(self, vite: Vite, client: Any):
        vite.status, vite.headers = 302, [(b"location", b"/shop/")]
        answer = await client.get("/")
        assert (answer.status_code, answer.headers["location"]) == (302, "/shop/")
        assert len(vite.scopes) == 1

    @pytest.mark.parametrize("status", [204, 304])
    async def test_answer_without_a_body(self, vite: Vite, client: Any, status: int):
        vite.status, vite.chunks = status, []
        assert (await client.get("/")).status_code == status

    async def test_head_has_the_length_and_no_body(self, vite: Vite, client: Any):
        vite.headers = [(b"content-length", b"9")]
        answer = await client.head("/")
        assert (answer.headers["content-length"], answer.content) == ("9", b"")

    async def test_body_is_streamed_out(self, vite: Vite, client: Any):
        vite.chunks = [b"first", b"second"]
        vite.go_on.clear()
        async with client.stream("GET", "/") as answer:
            parts = answer.aiter_raw()
            assert await anext(parts) == b"first"
            vite.go_on.set()
            assert await anext(parts) == b"second"

    async def test_browser_that_leaves_in_the_middle_is_no_error(
        self, vite: Vite, proxy: str, caplog: Any
    ):
        vite.chunks = [b"x"] * 3
        vite.go_on.clear()
        async with (
            httpx.AsyncClient(base_url=f"http://{proxy}", trust_env=False) as client,
            client.stream("GET", "/") as answer,
        ):
            await anext(answer.aiter_raw())
        vite.go_on.set()
        await asyncio.sleep(0.1)
        assert caplog.records == []


class TestVitesAbsence:
    @pytest.fixture
    def target(self) -> str:
        return f"http://127.0.0.1:{free_port()}"

    async def test_page_says_what_happens_and_loads_again(self, target: str):
        async with serving(DevProxy(target)) as proxy, httpx.AsyncClient() as client:
            answer = await client.get(f"http://{proxy}/", headers={"accept": "text/html,*/*"})
        assert (answer.status_code, answer.headers["cache-control"]) == (503, "no-store")
        assert answer.headers["retry-after"] == "1"
        assert target in answer.text
        assert '<meta http-equiv="refresh" content="1">' in answer.text

    async def test_script_is_refused_in_plain_text(self, target: str):
        async with serving(DevProxy(target)) as proxy, httpx.AsyncClient() as client:
            answer = await client.get(f"http://{proxy}/app/root.jsx")
        assert answer.status_code == 503
        assert answer.headers["content-type"].startswith("text/plain")

    async def test_socket_is_refused(self, target: str):
        async with serving(DevProxy(target)) as proxy:
            with pytest.raises(InvalidStatus):
                await connect(f"ws://{proxy}/", subprotocols=["vite-hmr"], proxy=None)

    async def test_vite_that_is_back_is_used(self, vite: Vite):
        port = free_port()
        async with (
            serving(DevProxy(f"http://127.0.0.1:{port}")) as proxy,
            httpx.AsyncClient(base_url=f"http://{proxy}") as client,
        ):
            for _ in range(2):
                assert (await client.get("/")).status_code == 503
                async with serving(vite, port):
                    assert (await client.get("/")).status_code == 200

    async def test_vite_that_breaks_off_an_answer_breaks_it_off_here(self):
        async def break_off(reader: Any, writer: Any) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(break_off, "127.0.0.1", 0) as server:
            target = server.sockets[0].getsockname()[1]
            async with (
                serving(DevProxy(f"http://127.0.0.1:{target}")) as proxy,
                httpx.AsyncClient() as client,
            ):
                with pytest.raises(httpx.RemoteProtocolError):
                    await client.get(f"http://{proxy}/")


class TestSockets:
    @pytest.fixture
    async def browser(self, proxy: str) -> AsyncIterator[ClientConnection]:
        url = f"ws://{proxy}/shop/?token=a%26b"
        origin: Any = "http://shop.localhost:8000"
        headers = {"Cookie": "sessionid=secret", "Authorization": "Basic x"}
        async with connect(
            url,
            subprotocols=["vite-hmr"],
            origin=origin,
            additional_headers=headers,
            max_size=None,
            proxy=None,
        ) as browser:
            yield browser

    async def test_messages_pass_both_ways(self, browser: ClientConnection):
        assert browser.subprotocol == "vite-hmr"
        for message in ("ab", b"\x00\xff", "x" * 3_000_000):
            await browser.send(message)
            assert await browser.recv() == message * 2

    async def test_vite_sees_what_it_judges_by_and_no_session(
        self, vite: Vite, browser: ClientConnection, proxy: str
    ):
        scope, received = vite.scopes[-1], headers_of(vite)
        assert (scope["raw_path"], scope["query_string"]) == (b"/shop/", b"token=a%26b")
        assert received["origin"] == "http://shop.localhost:8000"
        assert received["host"] == proxy
        assert {"cookie", "authorization"}.isdisjoint(received)

    async def test_refusal_of_vite_is_a_refusal(self, proxy: str):
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://{proxy}/?token=wrong", subprotocols=["vite-hmr"], proxy=None)
        assert refused.value.response.status_code == 403

    @pytest.mark.parametrize("code", [1000, 1001, 1012, 4001])
    async def test_close_of_vite_reaches_the_browser(self, browser: ClientConnection, code: int):
        await browser.send(f"close {code}")
        with pytest.raises(ConnectionClosed):
            await browser.recv()
        assert (browser.close_code, browser.close_reason) == (code, "asked")

    @pytest.mark.parametrize("code", [1000, 1001, 4001])
    async def test_close_of_the_browser_reaches_vite(
        self, vite: Vite, browser: ClientConnection, code: int
    ):
        await browser.close(code)
        await asyncio.wait_for(vite.gone.wait(), 5)
        assert vite.received[0]["code"] == code

    async def test_browser_that_vanishes_is_a_close(self, vite: Vite, browser: ClientConnection):
        browser.transport.abort()
        await asyncio.wait_for(vite.gone.wait(), 5)
        assert vite.received[0]["code"] in (1000, 1005)

    async def test_vite_that_vanishes_is_a_restart(self):
        async def vanish(connection: Any) -> None:
            await connection.recv()
            connection.transport.abort()

        async with serve(vanish, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            async with (
                serving(DevProxy(f"http://127.0.0.1:{port}")) as proxy,
                connect(f"ws://{proxy}/", proxy=None) as browser,
            ):
                await browser.send("x")
                with pytest.raises(ConnectionClosed):
                    await browser.recv()
                assert browser.close_code == 1012


class TestTarget:
    @pytest.mark.parametrize(
        "target",
        [
            "http://127.0.0.1:5173",
            "http://localhost:5173/",
            "http://[::1]:5173",
            "http://127.8.8.8",
        ],
    )
    def test_loopback(self, target: str):
        assert DevProxy(target).target == target.rstrip("/")

    @pytest.mark.parametrize(
        "target",
        [
            "http://192.168.0.2:5173",
            "http://vite.example.com",
            "http://0.0.0.0:5173",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "http://127.0.0.1@example.com",
        ],
    )
    def test_another_machine_only_when_asked_for(self, target: str):
        with pytest.raises(ValueError, match="allow_remote=True"):
            DevProxy(target)
        assert DevProxy(target, allow_remote=True)

    @pytest.mark.parametrize(
        "target",
        [
            "",
            "127.0.0.1:5173",
            "https://localhost",
            "ws://localhost",
            "http://localhost/app",
            "http://",
        ],
    )
    def test_what_cannot_be_one(self, target: str):
        with pytest.raises(ValueError, match="where Vite listens"):
            DevProxy(target)


class TestWrap:
    @pytest.fixture
    async def wrapped(self, vite: Vite, tmp_path: Any) -> AsyncIterator[str]:
        async def api(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "http"
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"from the api"})

        async with serving(vite) as target:
            pages = SPAStaticApp(tmp_path)
            # However deep the pages lie, and whatever the router does with sockets.
            inner = OriginGuard(PrefixRouter({"/api": api}, default=OriginGuard(pages)))
            async with serving(DevProxy(f"http://{target}").wrap(inner)) as address:
                yield address

    async def test_pages_are_vites_and_nothing_else_is(self, wrapped: str):
        async with httpx.AsyncClient(base_url=f"http://{wrapped}") as client:
            assert (await client.get("/shop/x.jsx?t=1")).text == "from vite"
            assert (await client.get("/api/x")).text == "from the api"

    async def test_vites_socket_is_vites_and_no_other_is(self, wrapped: str):
        async with connect(f"ws://{wrapped}/", subprotocols=["vite-hmr"], proxy=None) as browser:
            await browser.send("x")
            assert await browser.recv() == "xx"
        with pytest.raises(InvalidStatus):
            await connect(f"ws://{wrapped}/", subprotocols=["other"], proxy=None)

    async def test_without_it_the_pages_are_the_bundle(self, tmp_path: Any):
        (tmp_path / "index.html").write_text("from the bundle")
        async with serving(SPAStaticApp(tmp_path)) as address, httpx.AsyncClient() as client:
            forged = {"rxbridge.pages": "x"}
            assert (
                await client.get(f"http://{address}/", headers=forged)
            ).text == "from the bundle"

    def test_what_is_no_app_is_refused(self):
        with pytest.raises(TypeError, match=r"DevProxy\.wrap"):
            DevProxy("http://localhost:1").wrap(None)  # type: ignore[arg-type]


async def test_proxies_of_the_environment_are_not_used(
    vite: Vite, client: Any, proxy: str, monkeypatch: pytest.MonkeyPatch
):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await client.get("/")).status_code == 200
    async with connect(f"ws://{proxy}/", subprotocols=["vite-hmr"], proxy=None) as browser:
        await browser.send("x")
        assert await browser.recv() == "xx"


async def test_lifespan_is_answered_and_an_unknown_scope_is_not():
    sent: list[Any] = []
    inbox: Iterator[Any] = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> Any:
        return next(inbox)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    proxy = DevProxy("http://127.0.0.1:5173")
    await proxy({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    with pytest.raises(ValueError, match="DevProxy passes on"):
        await proxy({"type": "mystery"}, receive, send)
