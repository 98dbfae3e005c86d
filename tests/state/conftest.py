"""The tables of the CRUD tests' models."""

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connections as databases
from django.test.utils import override_settings

from tests.servers import Server, run_server


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


@pytest.fixture(scope="module")
def server(crud_tables, tmp_path_factory) -> Iterator[Server]:
    """The site of the CRUD tests."""
    with run_server(
        "uvicorn",
        "tests.state.crud.site:application",
        env={
            "RXBRIDGE_TEST_DB": str(databases["default"].settings_dict["NAME"]),
            "DJANGO_SETTINGS_MODULE": "tests.state.crud.settings",
        },
        cwd=tmp_path_factory.mktemp("site"),
    ) as running:
        yield running
