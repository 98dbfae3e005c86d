import asyncio
from typing import Any

import pytest

from rxbridge.django._page_reload import EVENTS, PageReload

MODULE = "/shop/assets/reflex-env-BVGF6eGS.js"


class Bundle:
    """An app that answers every path with one script and remembers what it was asked."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.scope: dict[str, Any] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = scope
        headers = [(b"content-length", b"6"), (b"etag", b'"1"'), (b"content-type", b"text/js")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await send({"type": "http.response.body", "body": b"two"})


async def ask(app: Any, path: str, *headers: tuple[bytes, bytes]) -> tuple[dict[bytes, bytes], str]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    scope = {"type": "http", "path": path, "headers": list(headers), "extensions": {"x": {}}}
    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    return dict(sent[0]["headers"]), body.decode()


async def test_module_of_every_page_listens_and_is_kept_by_no_cache():
    bundle = Bundle()
    conditions = [(b"if-none-match", b'"1"'), (b"accept-encoding", b"gzip"), (b"cookie", b"a=b")]
    headers, body = await ask(PageReload(bundle, bundle="b1"), MODULE, *conditions)
    assert body.startswith("onetwo\n;{")
    assert f'new EventSource("{EVENTS}")' in body
    assert headers.pop(b"content-length") == str(len(body)).encode()
    assert headers == {b"content-type": b"text/js", b"cache-control": b"no-store"}
    assert bundle.scope["headers"] == [(b"cookie", b"a=b")]
    assert bundle.scope["extensions"] == {}


@pytest.mark.parametrize("path", ["/", "/assets/index-BVGF6eGS.js", "/reflex-env-x.js", "/admin/"])
async def test_everything_else_is_left_as_it_is(path: str):
    headers, body = await ask(PageReload(Bundle(), bundle="b1"), path)
    assert (body, headers[b"etag"]) == ("onetwo", b'"1"')


async def test_module_that_is_missing_stays_missing():
    headers, body = await ask(PageReload(Bundle(404), bundle="b1"), MODULE)
    assert (body, headers[b"etag"]) == ("onetwo", b'"1"')


@pytest.mark.parametrize("end", ["close", "disconnect"])
async def test_stream_names_the_bundle_and_ends(end: str):
    reload = PageReload(Bundle(), bundle="b1")
    gone = asyncio.Event()
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        await gone.wait()
        return {"type": "http.disconnect"}

    scope = {"type": "http", "path": EVENTS, "headers": []}
    task = asyncio.create_task(reload(scope, receive, send))
    await asyncio.sleep(0.01)
    assert not task.done()
    assert sent[1]["body"] == b"retry: 250\ndata: b1\n\n"
    if end == "close":
        reload.close()
    else:
        gone.set()
    await asyncio.wait_for(task, 1)
    # Nothing more is said to who is gone.
    assert sent[-1].get("more_body") is (end == "disconnect")


async def test_sockets_and_lifespan_pass():
    bundle = Bundle()
    for kind in ("websocket", "lifespan"):
        await PageReload(bundle, bundle="b1")({"type": kind}, None, _ignore)
        assert bundle.scope == {"type": kind}


async def _ignore(message: Any) -> None:
    """Stands for a ``send``."""
