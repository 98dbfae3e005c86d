"""The tables of the CRUD tests' models."""

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.test.utils import override_settings


@pytest.fixture(scope="session")
def crud_tables(django_db_setup, django_db_blocker):
    """The tables of an app that the other tests do without."""
    with override_settings(INSTALLED_APPS=[*settings.INSTALLED_APPS, "tests.state.crud"]):
        # What a model knows of those that refer to it may be from before, when there was none.
        apps.clear_cache()
        with django_db_blocker.unblock():
            call_command("migrate", run_syncdb=True, verbosity=0)
        yield


@pytest.fixture
def crud_db(crud_tables, transactional_db):
    """A database with the tables."""
