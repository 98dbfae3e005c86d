"""The test app on several servers that share their states in Redis, with rooms and pushes."""

from tests.state.shared_site import app, application  # isort: skip # It sets Django up.

import reflex as rx
from reflex.istate.manager.token import BaseStateToken

from rxbridge.state import AppState, PicklingStripper

__all__ = ["application"]


class Hall(AppState, PicklingStripper, rx.SharedState):
    """A room that shows each who they are."""

    count: int = 0

    @rx.var
    def count_for(self) -> str:
        return f"{self.count} for {self.user.get_username()}"

    @rx.event
    async def join(self, room: str):
        await self._link_to(room)

    @rx.event
    async def add(self):
        self.count += 1


class Letter(AppState, PicklingStripper, rx.State):
    """What another tab is told."""

    note: str = ""

    @rx.var
    def note_for(self) -> str:
        return f"{self.note} for {self.user.get_username()}"

    @rx.event
    async def push(self, token: str, note: str):
        async with app.modify_state(BaseStateToken(ident=token, cls=Letter)) as root:
            (await root.get_state(Letter)).note = note
