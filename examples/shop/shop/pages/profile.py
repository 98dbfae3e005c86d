"""What the user shows of themselves: ``/profile``."""

import reflex as rx
from rxbridge.state import DjangoUserState, login_required_page
from rxbridge.state import translated as _

from accounts.pictures import MAX_BYTES
from accounts.state import AccountState
from shop.pages.layout import avatar, loading, page, placeholder, title
from shop.pages.product import fact

PICTURE = "profile-picture"


def profile() -> rx.Component:
    """Show the page to who is signed in."""
    return page(title(_("Your profile")), yours())


@login_required_page(pending=loading(placeholder("260px")))
def yours() -> rx.Component:
    """The picture, and the way to the rest."""
    return rx.el.div(picture(), about(), class_name="profile-columns")


def picture() -> rx.Component:
    """The picture, and a place to drop another."""
    return rx.el.section(
        rx.box(avatar("9"), custom_attrs={"data-testid": "profile-picture"}),
        # A label: the input in it is what the click and a screen reader reach.
        rx.el.label(
            rx.upload(
                rx.icon("image-up", size=22, color="var(--accent-11)"),
                rx.text(_("Drop a picture here, or choose one"), size="2", weight="medium"),
                rx.text(_("PNG, JPEG, GIF or WebP, up to 2 MB"), size="1", color_scheme="gray"),
                id=PICTURE,
                accept={
                    "image/png": [".png"],
                    "image/jpeg": [".jpg", ".jpeg"],
                    "image/gif": [".gif"],
                    "image/webp": [".webp"],
                },
                max_size=MAX_BYTES,
                multiple=False,
                no_click=True,
                on_drop=AccountState.upload(rx.upload_files(PICTURE)),
                on_drop_rejected=rx.toast.error(
                    _("That is not a picture of up to 2 MB. Please choose another one.")
                ),
                class_name="drop-zone",
                border="none",
                padding="18px 12px",
            ),
            width="100%",
            custom_attrs={"data-testid": "profile-upload"},
        ),
        rx.cond(
            AccountState.picture != "",
            rx.button(
                _("Remove the picture"),
                on_click=AccountState.remove_picture,
                variant="ghost",
                color_scheme="gray",
            ),
        ),
        class_name="panel profile-picture",
    )


def about() -> rx.Component:
    """The account."""
    return rx.el.section(
        rx.heading(_("Your account"), as_="h2", size="5", weight="medium", class_name="serif"),
        rx.el.dl(
            fact(_("Name"), DjangoUserState.username),
            fact(_("E-mail address"), DjangoUserState.email),
            class_name="facts",
        ),
        rx.flex(
            button(_("Change the password"), "/password/change"),
            button(_("Your orders"), "/orders"),
            spacing="3",
            wrap="wrap",
        ),
        class_name="panel",
    )


def button(label: rx.Var[str], href: str) -> rx.Component:
    """A way on from here."""
    return rx.link(rx.button(label, size="2", variant="soft", tab_index=-1), href=href)
