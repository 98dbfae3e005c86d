"""django-prometheus."""

from tests.ecosystem.settings import apps, middleware
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps("django_prometheus")
MIDDLEWARE = middleware(
    first=["django_prometheus.middleware.PrometheusBeforeMiddleware"],
    last=["django_prometheus.middleware.PrometheusAfterMiddleware"],
)
