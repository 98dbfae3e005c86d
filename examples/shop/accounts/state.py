"""Signing in and out, and what a tab shows of its user."""

import reflex as rx
from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_not_required
from django.utils.translation import gettext as _
from rxbridge.events.guards import login_required
from rxbridge.state import AppState, switch_language
from rxbridge.state.auth import (
    PasswordChangeConfig,
    PasswordResetConfig,
    RegistrationConfig,
    password_change_mixin,
    password_reset_mixin,
    registration_mixin,
    session_auth_mixin,
)

from accounts import pictures
from accounts.models import Profile


class Auth(
    session_auth_mixin(),
    registration_mixin(RegistrationConfig(fields=["email"])),
    password_change_mixin(PasswordChangeConfig(url="/password/change")),
    password_reset_mixin(
        PasswordResetConfig(
            url="/password/reset",
            confirm_url="/password/reset/confirm",
            extra_email_context={"site_name": "Kiln & Oak"},
        )
    ),
    rx.State,
):
    """What the pages at ``/login``, ``/register`` and ``/password/...`` do, on Django's forms."""


class PersonalState(AppState, rx.State):
    """The states below this one hold what is one user's; it goes when the tab's user changes."""

    _owner: int | None = None

    @rx.event
    @login_not_required
    async def follow_user(self) -> None:
        """Forget what was another user's. The first thing to happen as a page is loaded."""
        if self._owner != self.user.pk:
            self.reset()
            self._owner = self.user.pk

    @rx.event
    @login_not_required
    async def sign_out(self) -> None:
        """End the Django session, in this tab and in every other one of the browser."""
        await self.logout()
        self.reset()
        self.navigate("/")

    @rx.event
    @login_not_required
    def speak(self, language: str) -> rx.event.EventSpec:
        """Switch to ``language``, and load the page again for what the server words."""
        switch_language(language)
        return rx.redirect(self.request.get_full_path(), replace=True)


class AccountState(PersonalState):
    """The user's picture, in the header and on ``/profile``."""

    picture: str = ""

    @rx.event
    @login_not_required
    async def load(self) -> None:
        """Show the picture of whoever is signed in."""
        profile = await Profile.objects.filter(user_id=self.user.pk).afirst()
        self.picture = profile.picture_url if profile else ""

    @rx.event
    @login_required
    async def upload(self, files: list[rx.UploadFile]):
        """Take a new picture, from whoever sent this very request."""
        content = await files[0].read(pictures.MAX_BYTES + 1) if files else b""
        try:
            await sync_to_async(pictures.set_picture)(self.user, content)
        except pictures.BadPicture as error:
            return rx.toast.error(str(error))
        return [AccountState.load, rx.toast.success(_("That is you now."))]

    @rx.event
    @login_required
    async def remove_picture(self) -> rx.event.EventSpec:
        """Go back to the initial."""
        await sync_to_async(pictures.remove_picture)(self.user)
        return AccountState.load
