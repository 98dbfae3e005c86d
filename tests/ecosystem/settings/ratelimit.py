"""django-ratelimit, answering with 429 by a view of the project's."""

from tests.ecosystem.settings import apps, middleware
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps()
MIDDLEWARE = middleware(last=["django_ratelimit.middleware.RatelimitMiddleware"])
RATELIMIT_VIEW = "tests.ecosystem.test_ratelimit.too_often"
