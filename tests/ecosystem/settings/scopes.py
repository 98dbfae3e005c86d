"""django-scopes, with a middleware of the project that enters a scope, as its docs have it."""

from tests.ecosystem.settings import apps, middleware
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps()
MIDDLEWARE = middleware(last=["tests.ecosystem.test_scopes.scoped"])
