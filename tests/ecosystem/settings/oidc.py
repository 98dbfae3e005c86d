"""mozilla-django-oidc: sessions are refreshed at the provider when they expire."""

from tests.ecosystem.settings import apps, middleware
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps("mozilla_django_oidc")
MIDDLEWARE = middleware(last=["mozilla_django_oidc.middleware.SessionRefresh"])
AUTHENTICATION_BACKENDS = [
    "mozilla_django_oidc.auth.OIDCAuthenticationBackend",
    "django.contrib.auth.backends.ModelBackend",
]
OIDC_RP_CLIENT_ID = "rxbridge"
OIDC_RP_CLIENT_SECRET = "test-suite-only"
OIDC_OP_AUTHORIZATION_ENDPOINT = "https://provider.example.org/authorize"
OIDC_OP_TOKEN_ENDPOINT = "https://provider.example.org/token"
OIDC_OP_USER_ENDPOINT = "https://provider.example.org/user"
ROOT_URLCONF = "tests.ecosystem.urls"
