"""django-multitenant: a tenant that nobody takes back is the next event's, unless it is cleared."""

import pytest
import reflex as rx
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from django.utils.deprecation import MiddlewareMixin
from django_multitenant.utils import get_current_tenant, set_current_tenant, unset_current_tenant

from rxbridge.testing import EventClient
from tests.ecosystem.site import bridged_app, recipe

pytestmark = pytest.mark.django_db(transaction=True)


class Tenant(MiddlewareMixin):
    """Enter the tenant of who is signed in; as in the package's documentation, never leave it."""

    def process_request(self, request):
        if request.user.is_authenticated:
            set_current_tenant(request.user.get_username())


def view(request):
    return HttpResponse(str(get_current_tenant()))


urlpatterns = [path("tenant", view)]


class Desk(rx.State):
    tenant: str = ""

    @rx.event
    def look(self):
        self.tenant = str(get_current_tenant())


def looked_at(*clients):
    """What the views see, one after the other on one thread."""
    try:
        return [client.get("/tenant").content.decode() for client in clients]
    finally:
        unset_current_tenant()


@pytest.mark.parametrize("cleared", [False, True])
async def test_tenant_is_left_as_by_a_view_unless_it_is_cleared(cleared):
    ada = await User.objects.acreate_user("ada")
    client = Client()
    await sync_to_async(client.force_login)(ada)
    assert await sync_to_async(looked_at)(client, Client()) == ["ada", "ada"]
    app = bridged_app(threads=1, around=[recipe("without_tenant")] if cleared else [])
    async with EventClient(app, user=ada) as tab:
        visitor = tab.tab(user=None)
        await visitor.__aenter__()
        assert (await tab.fire(Desk.look)).vars["tenant"] == "ada"
        seen = (await visitor.fire(Desk.look)).vars["tenant"]
    assert seen == ("None" if cleared else "ada")
