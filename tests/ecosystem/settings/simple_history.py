"""django-simple-history."""

from tests.ecosystem.settings import apps, middleware
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps("simple_history")
MIDDLEWARE = middleware(last=["simple_history.middleware.HistoryRequestMiddleware"])
