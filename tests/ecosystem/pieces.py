"""Pieces of work that a test asks a view for, or a handler."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from django.http import HttpRequest, HttpResponse

Work = Callable[[HttpRequest], Any]


def nothing(request: HttpRequest) -> None:
    """Do nothing: whether it was done is what matters."""


class Piece:
    """A piece of work and, once it is done, what came of it."""

    asked: ClassVar[dict[str, "Piece"]] = {}

    def __init__(self, work: Work) -> None:
        self.work = work
        self.ran = False
        self.value: Any = None

    def __call__(self, request: HttpRequest) -> None:
        self.ran = True
        self.value = self.work(request)

    @contextmanager
    def named(self) -> Iterator[str]:
        key = str(uuid.uuid4())
        self.asked[key] = self
        yield key
        del self.asked[key]


def page(request: HttpRequest) -> HttpResponse:
    """Do the piece of work the request names; answer as an ordinary page does."""
    if (key := request.headers.get("X-Piece")) is not None:
        Piece.asked[key](request)
    return HttpResponse("<html><body>A page of Django's</body></html>")
