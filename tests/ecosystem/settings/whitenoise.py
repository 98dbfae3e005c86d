"""WhiteNoise, with a front page of its own."""

from pathlib import Path

from tests.ecosystem.settings import apps, middleware
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps()
MIDDLEWARE = middleware(first=["whitenoise.middleware.WhiteNoiseMiddleware"])
STATIC_ROOT = None
WHITENOISE_INDEX_FILE = True
WHITENOISE_ROOT = Path(__file__).parents[1] / "front_page"
