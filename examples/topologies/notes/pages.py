"""The pages of this app, which `garden.ui` finds as the admin finds an `admin.py`."""

import reflex as rx
from rxbridge.state import AppState, DjangoUserState


class Notes(AppState, rx.State):
    """Who the events run as, and where."""

    events: int = 0
    seen: str = ""

    @rx.event
    def who(self):
        """Tell who this event runs as, the how manieth of the tab it is, and on which page."""
        self.events += 1
        user = self.user.get_username() or "nobody"
        self.seen = f"{user} {self.events} {self.request.path}"


def layout(title: str) -> rx.Component:
    """Show who the user is, and who an event runs as."""
    return rx.el.main(
        rx.el.h1(title),
        rx.el.p(
            rx.cond(DjangoUserState.is_authenticated, DjangoUserState.username, "nobody"), id="user"
        ),
        rx.el.button("Who am I?", id="who", on_click=Notes.who),
        rx.el.p(Notes.seen, id="seen"),
        rx.el.a("A note", href="/notes/moss", id="note"),
    )


@rx.page(route="/", title="Garden")
def index() -> rx.Component:
    """Show the first page."""
    return layout("Garden")


@rx.page(route="/notes/[slug]", title="Note")
def note() -> rx.Component:
    """Show a page whose address has a part that is not known before."""
    return layout(f"Note: {rx.State.slug}")
