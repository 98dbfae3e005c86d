"""MiddlewareRunner takes every step that Django's own handler takes, for any middleware stack.

It differs in one status: that of what the view raised stays, whatever answers further out.
"""

import asyncio
from dataclasses import dataclass, field
from unittest import mock

import pytest
from asgiref.sync import iscoroutinefunction
from django.core.exceptions import (
    BadRequest,
    MiddlewareNotUsed,
    PermissionDenied,
    SuspiciousOperation,
)
from django.core.handlers.base import BaseHandler
from django.http import Http404, HttpResponse
from django.test import RequestFactory, override_settings
from django.utils.decorators import (
    async_only_middleware,
    sync_and_async_middleware,
    sync_only_middleware,
)
from django.utils.deprecation import MiddlewareMixin
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rxbridge.events import MiddlewareRunner, ThreadPool

ERRORS = {
    error.__name__: error
    for error in (ValueError, PermissionDenied, Http404, BadRequest, SuspiciousOperation)
}

journal: list[tuple] = []


class Template(HttpResponse):
    """A response that is rendered inside the chain, as ``TemplateResponse`` is."""

    def __init__(self, status, fails=None):
        super().__init__(status=status)
        self.fails = fails

    def render(self):
        journal.append(("render", self.status_code))
        if self.fails:
            raise ERRORS[self.fails]
        return self


def act(action, status, default=None):
    """Do what a generated hook does: nothing, answer, answer with a template, or raise."""
    if action == "pass":
        return default
    if action == "answer":
        return HttpResponse(status=status)
    if action == "template":
        return Template(status)
    if action == "broken template":
        return Template(status, fails="ValueError")
    raise ERRORS[action]


action = st.sampled_from(["pass"] * 6 + ["answer", "template", *ERRORS])
view_action = st.sampled_from(["pass"] * 6 + ["template"] * 3 + ["broken template", *ERRORS])

HOOKS = ("request", "view", "template_response", "exception", "response")
MAY_BE_ASYNC = ("view", "template_response", "exception")
KINDS = ("hooks", "class", "sync function", "async function", "both ways", "not used")


@dataclass
class Spec:
    """One generated middleware: its kind, and what each hook it has does."""

    kind: str
    hooks: dict[str, str] = field(default_factory=dict)
    asynchronous: frozenset[str] = frozenset()
    before: str = "pass"
    after: str = "pass"


specs = st.builds(
    Spec,
    kind=st.sampled_from(("hooks", "hooks", *KINDS)),
    hooks=st.dictionaries(st.sampled_from(HOOKS), action),
    asynchronous=st.frozensets(st.sampled_from(MAY_BE_ASYNC), max_size=1),
    before=action,
    after=action,
)


def hook(index, name, does, *, asynchronous):
    def run(*args):
        seen = args[-1]
        if isinstance(seen, HttpResponse):
            seen = seen.status_code
        elif isinstance(seen, Exception):
            seen = type(seen).__name__
        else:
            seen = None
        journal.append((index, name, seen))
        default = args[-1] if name in ("template_response", "response") else None
        return act(does, 210 + index, default)

    if asynchronous:

        async def process(self, *args):
            await asyncio.sleep(0)
            return run(*args)
    else:

        def process(self, *args):
            return run(*args)

    return process


def view_hooks(index, spec, names):
    return {
        f"process_{name}": hook(index, name, does, asynchronous=name in spec.asynchronous)
        for name, does in spec.hooks.items()
        if name in names
    }


def entered(index, spec):
    journal.append((index, "before"))
    return act(spec.before, 220 + index)


def left(index, spec, response):
    journal.append((index, "after", response.status_code))
    return act(spec.after, 230 + index, response)


def sync_function(index, spec):
    def factory(get_response):
        def middleware(request):
            return entered(index, spec) or left(index, spec, get_response(request))

        return middleware

    return sync_only_middleware(factory)


def async_function(index, spec):
    def factory(get_response):
        async def middleware(request):
            return entered(index, spec) or left(index, spec, await get_response(request))

        return middleware

    return async_only_middleware(factory)


def both_ways(index, spec):
    def factory(get_response):
        kind = async_function if iscoroutinefunction(get_response) else sync_function
        return kind(index, spec)(get_response)

    return sync_and_async_middleware(factory)


def plain_class(index, spec):
    class Plain:
        def __init__(self, get_response):
            self.get_response = get_response

        def __call__(self, request):
            return entered(index, spec) or left(index, spec, self.get_response(request))

    return type(f"Plain{index}", (Plain,), view_hooks(index, spec, MAY_BE_ASYNC))


def not_used(index, spec):
    def factory(get_response):
        raise MiddlewareNotUsed

    return factory


def build(index, spec):
    if spec.kind == "hooks":
        return type(f"Hooks{index}", (MiddlewareMixin,), view_hooks(index, spec, HOOKS))
    makers = {
        "class": plain_class,
        "sync function": sync_function,
        "async function": async_function,
        "both ways": both_ways,
        "not used": not_used,
    }
    return makers[spec.kind](index, spec)


class Django(BaseHandler):
    """Django's own chain around the given view."""

    def __init__(self, view):
        self.view = view

    def resolve_request(self, request):
        return self.view, (), {}


async def through_django(stack, view):
    handler = Django(view)
    with (
        override_settings(MIDDLEWARE=stack),
        mock.patch("django.core.handlers.base.import_string", lambda factory: factory),
    ):
        handler.load_middleware(is_async=True)
    return (await handler.get_response_async(RequestFactory().get("/"))).status_code


async def through_runner(stack, view, threads):
    outcome = await MiddlewareRunner(stack, threads=threads).run(RequestFactory().get("/"), view)
    assert outcome.view_called == (("view",) in journal)
    return outcome.response.status_code


def taken(journey):
    journal.clear()
    return asyncio.run(journey), list(journal)


ANSWERS = {"PermissionDenied": 403, "Http404": 404, "BadRequest": 400, "SuspiciousOperation": 400}


def kept(does, stack, steps):
    """Return the status that stays, whatever answers further out: of what the view raised."""
    asked = {stack[step[0]].hooks["exception"] for step in steps if "exception" in step[1:2]}
    return ANSWERS.get(does) if ("view",) in steps and asked <= {"pass"} else None


@pytest.fixture(scope="module")
def threads():
    return ThreadPool(core=2)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@settings(max_examples=500, derandomize=True)
@given(stack=st.lists(specs, max_size=6), does=view_action)
@example([Spec("hooks", {"view": "pass"}), Spec("hooks", {"view": "pass"}, {"view"})], "pass")
@example([Spec("hooks", {"view": "pass"}, {"view"}), Spec("class", {"view": "pass"})], "pass")
@example([Spec("hooks", dict.fromkeys(HOOKS, "pass")), Spec("class"), Spec("both ways")], "Http404")
@example([Spec("hooks", dict.fromkeys(HOOKS, "pass"))] * 2, "broken template")
@example([Spec("hooks", {"exception": "template", "template_response": "pass"})], "ValueError")
@example([Spec("hooks", {"view": "template", "template_response": "pass"})], "pass")
@example([Spec("class"), Spec("hooks", {"view": "template"})], "pass")
@example([Spec("hooks", {"response": "pass"}), Spec("hooks", {"request": "answer"})], "pass")
def test_every_step_is_the_one_django_takes(threads, stack, does):
    async def view(request):
        journal.append(("view",))
        return act(does, 206, HttpResponse())

    def factories():
        return [build(index, spec) for index, spec in enumerate(stack)]

    status, steps = taken(through_django(factories(), view))
    expected = (kept(does, stack, steps) if status < 500 else None) or status, steps
    assert taken(through_runner(factories(), view, threads)) == expected
