"""The synchronous floor: the same hooks, queries and clean-up called directly on one thread.

No event loop, no Reflex. Nothing that runs Django's middleware can be faster without leaving
part of it out. The request is made by Django's ``RequestFactory``-like shortest way: the ASGI
request of one fixed scope.

    python -m benchmarks.contenders.floor [shared]

``shared`` uses a connection for up to a second, as rxbridge does by default on SQLite.
"""

import sys
from io import BytesIO

from benchmarks.contenders.worker import serve


class Floor:
    def __init__(self):
        from django.conf import settings
        from django.db import connection
        from django.utils.module_loading import import_string

        from benchmarks.contenders import urls

        self._views = {"read": urls.read, "session": urls.session, "orm": urls.orm}
        chain = [import_string(path)(lambda _: None) for path in settings.MIDDLEWARE]
        self._inward = [each.process_request for each in chain if hasattr(each, "process_request")]
        self._outward = [
            each.process_response for each in reversed(chain) if hasattr(each, "process_response")
        ]
        self._cookies = []
        if "shared" in sys.argv:
            connection.settings_dict["CONN_MAX_AGE"] = 1

    def open(self, visitors):
        self._cookies += [visitor.cookie.encode() for visitor in visitors]

    def fire(self, tab, event):
        from django.core.handlers.asgi import ASGIRequest
        from django.db import close_old_connections
        from django.utils import translation

        close_old_connections()
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/",
            "query_string": b"",
            "headers": [(b"host", b"localhost"), (b"cookie", self._cookies[tab])],
        }
        request = ASGIRequest(scope, BytesIO())
        for hook in self._inward:
            hook(request)
        response = self._views[event](request)
        for hook in self._outward:
            response = hook(request, response)
        translation.deactivate()
        close_old_connections()
        return response.content.decode()

    def close(self):
        """Keep nothing open."""


if __name__ == "__main__":
    serve(Floor)
