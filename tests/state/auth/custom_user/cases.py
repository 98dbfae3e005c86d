"""The auth mixins with a custom user model; run by ``test_custom_user.py``."""

import re
from urllib.parse import urlsplit

import pytest
from asgiref.sync import sync_to_async

from rxbridge.state.auth.look import view_fields
from rxbridge.testing import EventClient
from tests.state.auth.app import Auth, Other, app
from tests.state.auth.conftest import PASSWORD, open_page, whoami
from tests.state.auth.custom_user.models import Member

pytestmark = pytest.mark.django_db(transaction=True)

FORM = {
    "email": "bob@example.com",
    "city": "Kiel",
    "password1": PASSWORD,
    "password2": PASSWORD,
}


@pytest.fixture
async def tab():
    async with EventClient(app) as client:
        await client.load("/")
        yield client


@pytest.fixture
async def member():
    create = sync_to_async(Member.objects.create_user)
    return await create("ada@example.com", PASSWORD, city="Kiel")


async def test_login_by_email(tab, member):
    form = {"username": "ada@example.com", "password": PASSWORD}
    await tab.fire(Auth.login, form_data=form)
    assert await whoami(tab) == "ada@example.com"


async def test_registration_asks_for_what_the_model_requires(tab):
    fired = await tab.fire(Other.register, form_data=FORM)
    assert fired.redirect == "/login"
    assert (await Member.objects.aget()).city == "Kiel"
    fired = await tab.fire(Other.register, form_data={**FORM, "email": "BOB@example.com"})
    assert list(fired.vars["registration_errors"]) == ["email"]


async def test_registration_signs_in(tab, monkeypatch):
    await tab.fire(Auth.register, form_data=FORM)
    assert await whoami(tab) == "bob@example.com"


async def test_reset_with_uuid_keys(tab, member, mailoutbox):
    await tab.fire(Auth.request_password_reset, form_data={"email": "ada@example.com"})
    link = urlsplit(re.search(r"http\S+", mailoutbox[0].body)[0])
    await open_page(tab, Auth.open_reset_confirm, link.path, link.query)
    new = {"new_password1": "correct-horse-2", "new_password2": "correct-horse-2"}
    await tab.fire(Other.confirm_password_reset, form_data=new)
    assert await whoami(tab) == "ada@example.com"


async def test_made_up_uuid_is_invalid(tab, member):
    await open_page(tab, Auth.open_reset_confirm, "/x", "uid=bm90LWEtdXVpZA&token=abc-def")
    assert (await tab.state(Auth)).reset_link == "invalid"


def test_page_shows_the_models_own_fields(settings):
    from django.contrib.auth.forms import AuthenticationForm

    settings.USE_I18N = False
    labels = [field.label for field in view_fields(AuthenticationForm, {})]
    assert labels == ["E-mail", "Password"]
