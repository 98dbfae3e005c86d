"""Each middleware alone, around one event."""

import pytest
from django.contrib.auth.models import AnonymousUser, User
from rxbridge.testing import make_event, run_middleware

from notes.middleware import MaintenanceMiddleware, TenantMiddleware


@pytest.mark.parametrize(
    ("maintenance", "user", "status"),
    [
        (False, AnonymousUser(), 200),
        (True, AnonymousUser(), 503),
        (True, User(username="ada"), 503),
        (True, User(username="root", is_staff=True), 200),
    ],
)
async def test_maintenance_lets_the_staff_in(settings, maintenance, user, status):
    settings.MAINTENANCE = maintenance
    run = await run_middleware(MaintenanceMiddleware, user=user)
    assert run.response.status_code == status
    assert run.view_called == (status == 200)


@pytest.mark.usefixtures("acme", "rxbridge_transaction")
@pytest.mark.parametrize(
    ("host", "name"), [("acme.example.com", "Acme"), ("other.example.com", None)]
)
async def test_tenant_is_that_of_the_host(host, name):
    run = await run_middleware(TenantMiddleware, event=make_event(host=host))
    assert str(run.request.tenant) == str(name)
    assert run.view_called == (name is not None)
