"""Settings of a site whose cache and sessions are in Redis."""

import os

from tests.settings import *  # noqa: F403

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": os.environ["AWAY_CACHE"],
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.cache"
