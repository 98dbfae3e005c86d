"""Tables, users and tabs of the CRUD tests."""

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.test.utils import override_settings

from rxbridge.testing import EventClient
from tests.state.crud.app import app


@pytest.fixture(scope="session")
def crud_tables(django_db_setup, django_db_blocker):
    """The tables of an app that the other tests do without."""
    with override_settings(INSTALLED_APPS=[*settings.INSTALLED_APPS, "tests.state.crud"]):
        with django_db_blocker.unblock():
            call_command("migrate", run_syncdb=True, verbosity=0)
        yield


@pytest.fixture
def crud_db(crud_tables, transactional_db):
    """A database with the tables."""


@pytest.fixture
def ada(crud_db):
    return User.objects.create_user("ada")


@pytest.fixture
def bob(crud_db):
    return User.objects.create_user("bob")


@pytest.fixture
async def tab(ada):
    async with EventClient(app, user=ada) as client:
        await client.load("/")
        yield client


def permit(user: User, *actions: str) -> User:
    """Give a user Django's permissions on notes; return the user anew, since they are cached."""
    content_type, _ = ContentType.objects.get_or_create(app_label="crud", model="note")
    for action in actions:
        permission, _ = Permission.objects.get_or_create(
            content_type=content_type, codename=f"{action}_note", defaults={"name": action}
        )
        user.user_permissions.add(permission)
    return User.objects.get(pk=user.pk)
