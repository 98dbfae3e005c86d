"""The auth states on a server of their own, whose mails go to the SMTP server a test names."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django
from django.conf import settings

host, port = "127.0.0.1", int(os.environ["RXBRIDGE_TEST_SMTP"])
smtp = "django.core.mail.backends.smtp.EmailBackend"
if django.VERSION >= (6, 1):
    settings.MAILERS = {"default": {"BACKEND": smtp, "OPTIONS": {"host": host, "port": port}}}
else:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = smtp, host, port

django.setup()

from rxbridge.asgi import REFLEX_PREFIXES, PrefixRouter  # noqa: E402 - Django comes first
from rxbridge.events import reflex_asgi  # noqa: E402
from tests.events.app import connections  # noqa: E402
from tests.state.auth.app import app  # noqa: E402

grace = float(os.environ.get("RXBRIDGE_TEST_GRACE", "40"))
reflex = connections.wrap(reflex_asgi(app, grace=grace))
application = PrefixRouter(dict.fromkeys(REFLEX_PREFIXES, reflex), lifespan=reflex)
