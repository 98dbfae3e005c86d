"""Registration: Django's form creates the user, and the form's errors reach the page."""

from contextlib import nullcontext

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from rxbridge.state.auth import RegistrationConfig
from rxbridge.testing import EventClient
from tests.state.auth.app import Auth, Other, app
from tests.state.auth.conftest import open_page, whoami

FORM = {
    "username": "bob",
    "email": "bob@example.com",
    "password1": "correct-horse-2",
    "password2": "correct-horse-2",
}


async def register(tab, **changes):
    return await tab.fire(Auth.register, form_data=FORM | changes)


async def test_registration_creates_the_user_and_signs_in(tab):
    fired = await register(tab)
    assert fired.redirect == "/welcome"
    user = await User.objects.aget(username="bob")
    assert user.email == "bob@example.com"
    assert await user.acheck_password("correct-horse-2")
    assert await whoami(tab) == "bob"


async def test_registration_goes_where_next_says(tab):
    await open_page(tab, Auth.open_registration, "/register", "next=/cart")
    assert (await register(tab)).redirect == "/cart"


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"username": "ada"}, "username", "A user with that username already exists."),
        ({"username": "ADA"}, "username", "A user with that username already exists."),
        ({"username": "not a name"}, "username", "Enter a valid username"),
        ({"username": ""}, "username", "This field is required."),
        ({"email": "nonsense"}, "email", "Enter a valid email address."),
        ({"password2": "another-horse"}, "password2", "password fields didn"),
        ({"password1": ""}, "password1", "This field is required."),
        ({"password1": "short", "password2": "short"}, "password2", "too short"),
        ({"password1": "password", "password2": "password"}, "password2", "too common"),
        ({"password1": "bob@example", "password2": "bob@example"}, "password2", "too similar"),
    ],
)
async def test_form_errors_reach_the_page(tab, ada, settings, changes, field, message):
    settings.AUTH_PASSWORD_VALIDATORS = [
        {"NAME": f"django.contrib.auth.password_validation.{name}"}
        for name in (
            "UserAttributeSimilarityValidator",
            "MinimumLengthValidator",
            "CommonPasswordValidator",
        )
    ]
    fired = await register(tab, **changes)
    errors = fired.vars["registration_errors"]
    assert list(errors) == [field]
    assert message in " ".join(errors[field])
    assert fired.redirect is None
    assert await User.objects.acount() == 1
    assert await whoami(tab) == ""


async def test_privileges_cannot_be_registered(tab):
    await register(tab, is_staff="on", is_superuser=True, groups=["1"], id="1")
    user = await User.objects.aget(username="bob")
    assert not user.is_staff
    assert not user.is_superuser


@pytest.mark.parametrize("field", ["is_staff", "is_superuser", "groups", "password"])
def test_privileges_cannot_be_configured(field):
    with pytest.raises(ValueError, match="cannot be registered"):
        RegistrationConfig(fields=["email", field])


async def test_name_taken_between_check_and_save_is_a_form_error(tab, monkeypatch):
    def save(user, **kwargs):
        monkeypatch.undo()
        User.objects.create_user(user.username)  # The other visitor, a moment earlier.
        raise IntegrityError

    monkeypatch.setattr(transaction, "atomic", lambda **kwargs: nullcontext())
    monkeypatch.setattr(User, "save", save)
    fired = await register(tab)
    assert list(fired.vars["registration_errors"]) == ["username"]
    assert await User.objects.acount() == 1


async def test_other_failure_to_save_is_not_hidden(tab, monkeypatch):
    def save(user, **kwargs):
        raise IntegrityError

    monkeypatch.setattr(User, "save", save)
    with pytest.raises(IntegrityError):
        await register(tab)
    assert (await tab.state(Auth)).registration_pending is False


async def test_without_sign_in_the_visitor_goes_to_the_login_page(tab):
    fired = await tab.fire(Other.register, form_data=FORM)
    assert fired.redirect == "/login"
    assert await User.objects.filter(username="bob").aexists()
    assert await whoami(tab) == ""


async def test_signed_in_visitor_is_sent_on(transactional_db, ada):
    async with EventClient(app, user=ada) as tab:
        fired = await open_page(tab, Auth.open_registration, "/register")
        assert fired.redirect == "/welcome"


async def test_several_backends_do_not_get_in_the_way(tab, settings):
    settings.AUTHENTICATION_BACKENDS = [
        "tests.state.auth.backends.ByEmail",
        "django.contrib.auth.backends.ModelBackend",
    ]
    await register(tab)
    assert await whoami(tab) == "bob"


async def test_who_no_backend_signs_in_goes_to_the_login_page(tab, settings):
    settings.AUTHENTICATION_BACKENDS = ["tests.state.auth.backends.LockedOut"]
    assert (await register(tab)).redirect == "/login"
    assert await whoami(tab) == ""
