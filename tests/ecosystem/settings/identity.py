"""Packages that say who it is, and for how long."""

from tests.ecosystem.settings import apps
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps(
    "django_auth_adfs",
    "django_cas_ng",
    "guardian",
    "impersonate",
    "oauth2_provider",
    "qsessions",
    "rest_framework",
    "knox",
    "social_django",
    "user_sessions",
)
ROOT_URLCONF = "tests.ecosystem.urls"
LOGIN_REDIRECT_URL = "/"
AUTH_ADFS = {
    "SERVER": "provider.example.org",
    "CLIENT_ID": "rxbridge",
    "RELYING_PARTY_ID": "rxbridge",
    "AUDIENCE": "rxbridge",
    "CLAIM_MAPPING": {},
    "USERNAME_CLAIM": "upn",
}
CAS_SERVER_URL = "https://provider.example.org/cas/"
SESSION_SECURITY_EXPIRE_AFTER = 600
SESSION_SECURITY_WARN_AFTER = 540
OAUTH2_PROVIDER = {"PKCE_REQUIRED": False}
GUARDIAN_MONKEY_PATCH_USER = False
SESSION_SECURITY_INSECURE = True
