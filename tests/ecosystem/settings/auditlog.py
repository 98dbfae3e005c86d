"""django-auditlog."""

from tests.ecosystem.settings import apps, middleware
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps("auditlog")
MIDDLEWARE = middleware(last=["auditlog.middleware.AuditlogMiddleware"])
