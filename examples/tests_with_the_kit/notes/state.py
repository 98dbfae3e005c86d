"""What the page shows, and its handlers."""

import reflex as rx
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.utils.translation import get_language
from rxbridge.events import login_required
from rxbridge.state import AppState
from rxbridge.state.auth import SessionAuthConfig, session_auth_mixin

from notes.models import Note


class Auth(session_auth_mixin(SessionAuthConfig(after_login="/")), rx.State):
    """Signing in and out."""


class NotesState(AppState, rx.State):
    """The notes of one tenant."""

    notes: list[str] = []
    heading: str = ""

    @rx.event
    async def load(self) -> None:
        """Show the notes."""
        tenant = self.request.tenant
        self.heading = f"{tenant.name} ({get_language()})"
        self.notes = [note.text async for note in Note.objects.filter(tenant=tenant).order_by("pk")]

    @login_required
    @rx.event
    def add(self, text: str):
        """Write a note."""
        Note.objects.create(tenant=self.request.tenant, author=self.user, text=text)
        messages.success(self.request, f"“{text}” is kept.")
        return [NotesState.load, rx.toast.success("Saved.")]

    @login_required
    @rx.event
    def delete(self, pk: int):
        """Take one's own note away."""
        note = Note.objects.get(pk=pk, tenant=self.request.tenant)
        if note.author != self.user:
            raise PermissionDenied
        note.delete()
        return NotesState.load

    @login_required
    @rx.event
    async def take_in(self, files: list[rx.UploadFile]):
        """Make each line of the files a note."""
        lines = [line for file in files for line in (await file.read()).decode().splitlines()]
        for line in lines:
            await Note.objects.acreate(tenant=self.request.tenant, author=self.user, text=line)
        return NotesState.load

    @login_required
    @rx.event(background=True)
    async def tidy(self):
        """Take the empty notes away, which may take a while."""
        count, _ = await Note.objects.filter(tenant=self.request.tenant, text="").adelete()
        return rx.toast.info(f"{count} empty notes are gone.")
