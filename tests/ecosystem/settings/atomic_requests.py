"""ATOMIC_REQUESTS on two databases: SQLite and PostgreSQL."""

import os

from tests.ecosystem.settings import apps
from tests.settings import *  # noqa: F403
from tests.settings import DATABASES as SQLITE

INSTALLED_APPS = apps()
ROOT_URLCONF = "tests.ecosystem.test_atomic_requests"
DATABASES = {
    "default": {**SQLITE["default"], "ATOMIC_REQUESTS": True},
    "server": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ.get("PGHOST", ""),
        "PORT": os.environ.get("PGPORT", ""),
        "USER": os.environ.get("PGUSER", ""),
        "NAME": "rxbridge",
        "ATOMIC_REQUESTS": True,
    },
}
