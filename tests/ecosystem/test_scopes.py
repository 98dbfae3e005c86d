"""django-scopes: a query without a scope raises; a piece of a background task has one."""

import pytest
import reflex as rx
from django.contrib.auth.models import User
from django.utils import timezone
from django_scopes import ScopedManager, ScopeError, scope

from rxbridge.state import AppState
from rxbridge.testing import EventClient
from tests.ecosystem.notes.models import Note
from tests.ecosystem.site import bridged_app

pytestmark = pytest.mark.django_db(transaction=True)
Note.add_to_class("scoped", ScopedManager(text="text"))


def scoped(get_response):
    """Enter the scope, and the time zone, of the user."""

    def middleware(request):
        with scope(text=request.user.get_username()), timezone.override("Asia/Tokyo"):
            return get_response(request)

    return middleware


class Desk(AppState, rx.State):
    found: list[str] = []

    def _texts(self) -> list[str]:
        return [*Note.scoped.values_list("text", flat=True), timezone.get_current_timezone_name()]

    @rx.event
    def read(self):
        self.found = self._texts()

    @rx.event(background=True)
    async def read_in_background(self):
        with pytest.raises(ScopeError):
            await Note.scoped.acount()
        found = await self.in_middleware(self._texts)
        async with self:
            self.found = found


app = bridged_app()


@pytest.mark.parametrize("handler", [Desk.read, Desk.read_in_background])
async def test_handler_and_piece_of_a_task_see_their_scope(handler):
    ada = await User.objects.acreate_user("ada")
    await Note.objects.abulk_create([Note(text="ada"), Note(text="bob")])
    async with EventClient(app, user=ada) as tab:
        fired = await tab.fire(handler)
        received = {**fired.vars, **(await tab.background()).vars}
    assert received["found"] == ["ada", "Asia/Tokyo"]
