"""django-reversion."""

from tests.ecosystem.settings import apps, middleware
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps("reversion")
MIDDLEWARE = middleware(last=["reversion.middleware.RevisionMiddleware"])
