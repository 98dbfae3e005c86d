"""Which of Django's own hooks never block, and when the others do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from django.conf import settings
from django.middleware.csrf import CsrfViewMiddleware

from rxbridge.events.chain.identity import answering_blocks, identity_blocks

if TYPE_CHECKING:
    from django.http import HttpRequest

Test: TypeAlias = "Callable[[HttpRequest], bool] | None"
"""Whether a hook would block the loop; None where it only computes or prepares what is lazy."""


def always(request: HttpRequest) -> bool:  # noqa: ARG001
    """Say that a hook blocks: nothing is known of it."""
    return True


_NEVER: Mapping[str, Test] = {"process_request": None, "process_response": None}

# Exact classes only: a subclass may do anything in what its parent's hooks call.
_TESTS: Mapping[str, Mapping[str, Test]] = {
    "django.middleware.security.SecurityMiddleware": _NEVER,
    "django.contrib.sessions.middleware.SessionMiddleware": {
        "process_request": None,
        "process_response": answering_blocks,
    },
    "django.middleware.common.CommonMiddleware": _NEVER,
    "django.middleware.locale.LocaleMiddleware": _NEVER,
    "django.middleware.csrf.CsrfViewMiddleware": _NEVER,
    "django.contrib.auth.middleware.AuthenticationMiddleware": _NEVER,
    "django.contrib.auth.middleware.LoginRequiredMiddleware": {"process_view": identity_blocks},
    "django.contrib.messages.middleware.MessageMiddleware": {
        "process_request": None,
        "process_response": answering_blocks,
    },
    "django.middleware.clickjacking.XFrameOptionsMiddleware": _NEVER,
    "django.middleware.csp.ContentSecurityPolicyMiddleware": _NEVER,
    "csp.middleware.CSPMiddleware": {"process_request": None},
}


def blocking_test(instance: Any, hook: str) -> Test:
    """Return the test of whether ``hook`` of ``instance`` would block the loop."""
    cls = type(instance)
    if cls is CsrfViewMiddleware and settings.CSRF_USE_SESSIONS:
        return always
    return _TESTS.get(f"{cls.__module__}.{cls.__qualname__}", {}).get(hook, always)


def is_known(instance: Any) -> bool:
    """Tell whether all hooks of ``instance`` are known, none of which leaves anything behind."""
    cls = type(instance)
    return f"{cls.__module__}.{cls.__qualname__}" in _TESTS


def place(test: Test) -> tuple[Literal["loop", "thread"], str]:
    """Return where a hook with this test runs, and why, in words."""
    if test is None:
        return "loop", "known not to block"
    if test is always:
        return "thread", "may block"
    return "thread", "blocks only when it has something to load or save"
