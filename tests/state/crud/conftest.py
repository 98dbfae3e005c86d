"""Users and tabs of the CRUD tests."""

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType

from rxbridge.testing import EventClient
from tests.state.crud.app import app


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
