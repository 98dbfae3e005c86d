"""Packages that write down what happened, and by whom."""

import logging
import uuid
from contextvars import ContextVar

import pytest
from django.contrib.auth.models import User
from django.db.models.signals import post_save
from easyaudit.models import CRUDEvent
from request.models import Request
from request_profiler.models import ProfilingRecord, RuleSet
from tracking.models import Pageview

from tests.ecosystem.notes.models import Note
from tests.ecosystem.visitors import EVERYWHERE, Visit, package

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada():
    return User.objects.create_user("ada")


def write(request):
    return Note.objects.create(text="hello")


@EVERYWHERE
@package("django-easy-audit", "easyaudit.middleware.easyaudit.EasyAuditMiddleware")
def test_easy_audit(visit: Visit, ada: User):
    """a row that is written is recorded with the event's user"""
    visit(ada).does(write)
    assert CRUDEvent.objects.get(content_type__model="note").user == ada


current: ContextVar = ContextVar("current", default=None)


def change_log(get_response):
    """Do what `netbox.middleware.CoreMiddleware` does with `netbox.context.current_request`."""

    def middleware(request):
        request.id = uuid.uuid4()
        token = current.set(request)
        try:
            return get_response(request)
        finally:
            current.reset(token)

    return middleware


@EVERYWHERE
@package("NetBox", "tests.ecosystem.test_records.change_log")
def test_netbox(visit: Visit, ada: User):
    """its change log, which finds the request in a `ContextVar`, has the user of each change"""
    changed = []

    def log(instance, **kwargs):
        changed.append((current.get().user, current.get().id))

    post_save.connect(log, sender=Note)
    try:
        visitor = visit(ada)
        seen = [visitor.does(lambda request: (write(request), request.id)[1]).value for _ in "12"]
    finally:
        post_save.disconnect(log, sender=Note)
    assert changed == [(ada, seen[0]), (ada, seen[1])]


@package("django-request", "request.middleware.RequestMiddleware")
def test_request(visit: Visit, ada: User):
    """the event is recorded with its page's path, its user and its address"""
    visit(ada, client="203.0.113.7").does()
    row = Request.objects.get()
    assert (row.path, row.user, row.ip) == ("/", ada, "203.0.113.7")


@package("django-tracking2", "tracking.middleware.VisitorTrackingMiddleware")
def test_tracking2(visit: Visit, ada: User):
    """the event is recorded as a view of its page, by its user"""
    visit(ada).does()
    row = Pageview.objects.get()
    assert (row.url, row.visitor.user) == ("/", ada)


@package("django-request-profiler", "request_profiler.middleware.ProfilingMiddleware")
def test_request_profiler(visit: Visit, ada: User):
    """the event is timed, under the name of its handler"""
    RuleSet.objects.create(uri_regex="", user_filter_type=0)
    visit(ada).does()
    row = ProfilingRecord.objects.get()
    assert (row.user, row.response_status_code) == (ada, 200)
    assert row.view_func_name == {"view": "page", "handler": "do"}.get(visit.by, "do_async")


@package("django-request-logging", "request_logging.middleware.LoggingMiddleware")
def test_request_logging(visit: Visit, caplog: pytest.LogCaptureFixture):
    """the event is logged as a request of its page"""
    with caplog.at_level(logging.DEBUG, logger="django.request"):
        visit().does()
    assert any("POST /" in message for message in caplog.messages)


@package("django-querycount", "querycount.middleware.QueryCountMiddleware", DEBUG=True)
def test_querycount(visit: Visit, capsys: pytest.CaptureFixture):
    """under `DEBUG` the queries of the event are counted and printed"""
    visit().does(lambda request: Note.objects.count())
    assert "Total queries: 1 " in capsys.readouterr().err
