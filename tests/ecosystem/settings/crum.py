"""django-crum."""

from tests.ecosystem.settings import apps, middleware
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps("crum")
MIDDLEWARE = middleware(last=["crum.CurrentRequestUserMiddleware"])
