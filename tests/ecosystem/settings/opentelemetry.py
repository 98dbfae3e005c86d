"""OpenTelemetry's instrumentation of Django; instrumenting puts its middleware into the list."""

from tests.ecosystem.settings import apps, middleware
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps()
MIDDLEWARE = middleware()
