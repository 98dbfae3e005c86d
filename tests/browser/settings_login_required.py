"""The shop with Django's LoginRequiredMiddleware."""

from settings_shop import *  # noqa: F403

MIDDLEWARE = [*MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]  # noqa: F405
