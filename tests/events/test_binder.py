"""ContextBinder: what is bound is this event's, and gone after it."""

import asyncio
import subprocess
import sys
import threading
from contextvars import copy_context
from datetime import UTC

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.utils import translation

from rxbridge.events import (
    ContextBinder,
    SyntheticRequestFactory,
    current_csrf_token,
    current_language,
    current_messages,
    current_request,
    current_response,
    current_session,
    current_user,
    request,
)
from rxbridge.testing import make_event


@pytest.fixture
def bound_request():
    return SyntheticRequestFactory().build(make_event(path="/cart"))


@pytest.fixture
def binder():
    return ContextBinder()


def test_outside_an_event_there_is_nothing():
    assert current_request() is None
    assert current_response() is None
    assert current_session() is None
    assert current_csrf_token() is None
    assert list(current_messages()) == []
    assert isinstance(current_user(), AnonymousUser)
    assert not request


def test_inside_there_is_what_the_middleware_put_on_the_request(binder, bound_request):
    bound_request.user = User(username="ada")
    bound_request.session = {"cart": 1}
    with binder.bound(bound_request) as binding:
        assert current_request() is bound_request
        assert current_user() is bound_request.user
        assert current_session() is bound_request.session
        assert current_response() is binding.response
        assert isinstance(binding.response, HttpResponse)
        assert current_messages() == get_messages(bound_request)
    assert current_request() is None


def test_event_without_auth_and_session_middleware(binder, bound_request):
    with binder.bound(bound_request):
        assert current_user().is_anonymous
        assert current_session() is None


def test_binding_is_taken_back_when_the_block_raises(binder, bound_request):
    with pytest.raises(LookupError), binder.bound(bound_request):
        raise LookupError
    assert current_request() is None


def test_bindings_nest(binder, bound_request):
    inner = SyntheticRequestFactory().build(make_event(path="/inner"))
    with binder.bound(bound_request):
        with binder.bound(inner):
            assert current_request() is inner
        assert current_request() is bound_request


class TestLanguage:
    def test_is_the_requests_inside_and_as_before_after(self, binder, bound_request):
        bound_request.LANGUAGE_CODE = "ar"
        with translation.override("de"):
            with binder.bound(bound_request):
                assert current_language() == "ar"
                translation.activate("en")
            assert current_language() == "de"

    def test_of_a_request_without_one_is_the_active_one(self, binder, bound_request):
        with translation.override("de"), binder.bound(bound_request):
            assert current_language() == "de"

    def test_stays_off_when_it_was_off(self, binder, bound_request):
        with translation.override(None):
            with binder.bound(bound_request):
                assert current_language() is None
            assert current_language() is None


class TestTasks:
    async def test_child_task_sees_its_parents_event(self, binder, bound_request):
        async def child():
            await asyncio.sleep(0)
            return current_request()

        with binder.bound(bound_request):
            task = asyncio.create_task(child())
        assert await task is bound_request

    async def test_thread_hop_sees_the_event(self, binder, bound_request):
        with binder.bound(bound_request):
            assert await sync_to_async(current_request)() is bound_request

    async def test_concurrent_events_see_their_own(self, binder):
        async def event(number):
            mine = SyntheticRequestFactory().build(make_event(path=f"/{number}"))
            with binder.bound(mine):
                await asyncio.sleep(0)
                assert current_request() is mine
            assert current_request() is None

        await asyncio.gather(*(event(number) for number in range(50)))

    def test_another_thread_sees_nothing(self, binder, bound_request):
        seen = []
        with binder.bound(bound_request):
            thread = threading.Thread(target=lambda: seen.append(current_request()))
            thread.start()
            thread.join()
        assert seen == [None]

    def test_bind_lasts_as_long_as_its_context(self, binder, bound_request):
        bound_request.LANGUAGE_CODE = "ar"
        with binder.bound(bound_request) as binding:
            binding.time_zone = UTC

        def task():
            binder.bind(binding)
            assert (current_request(), current_language()) == (bound_request, "ar")
            binder.bind(None)
            return current_request()

        assert copy_context().run(task) is None
        assert current_request() is None
        assert current_language() != "ar"


class TestProxy:
    def test_reads_and_writes_the_current_request(self, binder, bound_request):
        with binder.bound(bound_request):
            assert request.path == "/cart"
            request.tenant = "acme"
            assert request
            assert "/cart" in repr(request)
        assert bound_request.tenant == "acme"

    def test_outside_an_event_it_says_what_to_do(self):
        with pytest.raises(AttributeError, match=r"request\.path was read outside an event"):
            _ = request.path
        assert not hasattr(request, "user")
        assert getattr(request, "user", None) is None


class TestCsrfToken:
    def test_is_of_the_secret_the_browser_has(self, binder):
        from django.middleware.csrf import _does_token_match

        secret = "a" * 32
        event = make_event(cookies={"csrftoken": secret})
        with binder.bound(SyntheticRequestFactory().build(event)):
            assert _does_token_match(current_csrf_token(), secret)

    def test_browser_without_one_is_to_be_given_one(self, binder, bound_request):
        with binder.bound(bound_request):
            assert current_csrf_token()
        assert bound_request.META["CSRF_COOKIE_NEEDS_UPDATE"]


def test_importing_the_events_package_does_not_load_reflex():
    code = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import django
django.setup()
from rxbridge.events import ContextBinder, MiddlewareRunner, SyntheticRequestFactory
assert not [name for name in sys.modules if name.startswith("reflex")]
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
