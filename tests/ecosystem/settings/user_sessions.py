"""django-user-sessions: its engine and middleware in the place of Django's."""

from tests.ecosystem.settings import apps, middleware
from tests.settings import *  # noqa: F403

SESSION_ENGINE = "user_sessions.backends.db"
INSTALLED_APPS = apps("user_sessions")
MIDDLEWARE = [
    "user_sessions.middleware.SessionMiddleware"
    if each == "django.contrib.sessions.middleware.SessionMiddleware"
    else each
    for each in middleware()
]
ROOT_URLCONF = "tests.ecosystem.urls"
SILENCED_SYSTEM_CHECKS = ["admin.E410"]  # Django's own session middleware is not there.
