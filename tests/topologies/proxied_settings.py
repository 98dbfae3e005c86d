"""Settings behind a proxy that ends TLS and says so in a header."""

from tests.settings import *  # noqa: F403

ROOT_URLCONF = "tests.topologies.proxied_site"
LOGIN_URL = "admin:login"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = True
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
