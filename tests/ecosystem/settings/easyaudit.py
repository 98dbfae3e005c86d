"""django-easy-audit, watching requests."""

from tests.ecosystem.settings import apps, middleware
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps("easyaudit")
MIDDLEWARE = middleware(last=["easyaudit.middleware.easyaudit.EasyAuditMiddleware"])
ROOT_URLCONF = "tests.ecosystem.urls"
