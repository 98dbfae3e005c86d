"""django-structlog."""

from tests.ecosystem.settings import apps, middleware
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps("django_structlog")
MIDDLEWARE = middleware(last=["django_structlog.middlewares.RequestMiddleware"])
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
