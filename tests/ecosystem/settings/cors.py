"""django-cors-headers."""

from tests.ecosystem.settings import apps, middleware
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps("corsheaders")
MIDDLEWARE = middleware(first=["corsheaders.middleware.CorsMiddleware"])
CORS_ALLOWED_ORIGINS = ["https://friend.example.org"]
ROOT_URLCONF = "tests.ecosystem.urls"
