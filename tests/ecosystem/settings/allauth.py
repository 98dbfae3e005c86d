"""django-allauth, with accounts that sign in by name and may do so at once."""

from tests.ecosystem.settings import apps, middleware
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps("allauth", "allauth.account", "allauth.usersessions")
MIDDLEWARE = middleware(
    last=[
        "allauth.account.middleware.AccountMiddleware",
        "allauth.usersessions.middleware.UserSessionsMiddleware",
    ]
)
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_RATE_LIMITS = {"login_failed": "2/m/ip"}
USERSESSIONS_TRACK_ACTIVITY = True
LOGIN_REDIRECT_URL = "/"
ROOT_URLCONF = "tests.ecosystem.urls"
