"""django-pghistory, on PostgreSQL."""

import os

from tests.ecosystem.settings import apps
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps("pgtrigger", "pghistory", "tests.ecosystem.histories")
PGTRIGGER_INSTALL_ON_MIGRATE = True
ROOT_URLCONF = "tests.ecosystem.urls"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ.get("PGHOST", ""),
        "PORT": os.environ.get("PGPORT", ""),
        "USER": os.environ.get("PGUSER", ""),
        "NAME": "rxbridge",
    }
}
