"""django-tenants: a schema for each company, with users and sessions of its own."""

import os

from tests.ecosystem.settings import middleware
from tests.settings import *  # noqa: F403

TENANT_MODEL = "tenants.Company"
TENANT_DOMAIN_MODEL = "tenants.Domain"
SHARED_APPS = ["django_tenants", "tests.ecosystem.tenants", "django.contrib.contenttypes"]
TENANT_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
]
INSTALLED_APPS = [*SHARED_APPS, *TENANT_APPS[1:]]
MIDDLEWARE = middleware(first=["django_tenants.middleware.main.TenantMainMiddleware"])
DATABASES = {
    "default": {
        "ENGINE": "django_tenants.postgresql_backend",
        "HOST": os.environ.get("PGHOST", ""),
        "PORT": os.environ.get("PGPORT", ""),
        "USER": os.environ.get("PGUSER", ""),
        "NAME": "rxbridge",
    }
}
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
