"""Make the tables, the users and their sessions; print each visitor's name and cookie as JSON."""

import json
import os
import sys
from importlib import import_module

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.contenders.settings")


def main(visitors):
    import django

    django.setup()
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.db import transaction
    from django.utils.crypto import get_random_string

    engine = import_module(settings.SESSION_ENGINE)
    call_command("migrate", verbosity=0)
    found = []
    with transaction.atomic():
        for number in range(visitors):
            user = User.objects.create(username=f"visitor-{number}", password="!")
            session = engine.SessionStore()
            session[SESSION_KEY] = str(user.pk)
            session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
            session[HASH_SESSION_KEY] = user.get_session_auth_hash()
            session.create()
            # Django sets both as somebody signs in.
            cookie = (
                f"{settings.SESSION_COOKIE_NAME}={session.session_key}; "
                f"{settings.CSRF_COOKIE_NAME}={get_random_string(32)}"
            )
            found.append((user.username, cookie))
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]))
