"""Django's own ASGI handler answering an HTTP request, called in process."""

from benchmarks.contenders.worker import serve


class DjangoHTTP:
    def __init__(self):
        from django.core.asgi import get_asgi_application

        self._app = get_asgi_application()
        self._cookies = []

    def open(self, visitors):
        self._cookies += [visitor.cookie.encode() for visitor in visitors]

    async def fire(self, tab, event):
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": f"/{event}",
            "raw_path": f"/{event}".encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"localhost"), (b"cookie", self._cookies[tab])],
            "client": ("127.0.0.1", 0),
            "server": ("localhost", 80),
        }
        request = Request()
        await self._app(scope, request.receive, request.send)
        return request.body.decode()

    def close(self):
        """Keep nothing open."""


class Request:
    """The server's side of one request."""

    def __init__(self):
        import asyncio

        self.body = b""
        self._has_sent_body = False
        self._never = asyncio.get_running_loop().create_future

    async def receive(self):
        if self._has_sent_body:
            await self._never()  # no disconnect before the answer
        self._has_sent_body = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message):
        if message["type"] == "http.response.start" and message["status"] != 200:
            msg = f"Django answered {message['status']}"
            raise RuntimeError(msg)
        self.body += message.get("body", b"")


if __name__ == "__main__":
    serve(DjangoHTTP)
