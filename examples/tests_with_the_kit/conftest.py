"""Fixtures of the tests in pytest's style."""

import pytest
from django.contrib.auth.models import User

from notes.models import Tenant

pytest_plugins = ["rxbridge.testing.pytest_plugin"]


@pytest.fixture
def acme(db):
    """Return a tenant."""
    return Tenant.objects.create(host="acme.example.com", name="Acme")


@pytest.fixture
def ada(db):
    """Return a user, who has a password."""
    return User.objects.create_user("ada", password="ada-pass")
