"""PostgreSQL, for a server behind a proxy; how its connections are kept is in the environment."""

import os

from tests.ecosystem.settings import apps
from tests.settings import *  # noqa: F403

KEEP = os.environ.get("AWAY_KEEP", "each")
INSTALLED_APPS = apps()
ROOT_URLCONF = "tests.ecosystem.urls"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ.get("AWAY_HOST") or os.environ.get("PGHOST", ""),
        "PORT": os.environ.get("AWAY_PORT") or os.environ.get("PGPORT", ""),
        "USER": os.environ.get("PGUSER", ""),
        "NAME": os.environ.get("AWAY_NAME", "rxbridge"),
        "CONN_HEALTH_CHECKS": KEEP != "each",
        "OPTIONS": {
            "connect_timeout": 2,
            "keepalives_idle": 1,
            "keepalives_interval": 1,
            "tcp_user_timeout": 2_000,
            **({"options": "-c statement_timeout=2000"} if "AWAY_KEEP" in os.environ else {}),
            **({"pool": {"timeout": 2}} if KEEP == "pool" else {}),
        },
    }
}
