"""What every page of the shop shares: header, footer, and small parts."""

from collections.abc import Callable

import reflex as rx
from django.conf import settings
from rxbridge.state import DjangoI18nState, DjangoUserState
from rxbridge.state import translated as _

from accounts.state import AccountState, PersonalState
from orders.state import CartState

PAGE_WIDTH = "1180px"
GUTTER = ["16px", "24px", "32px"]


def page(*children: rx.Component, **props: object) -> rx.Component:
    """Put ``children`` between the header and the footer."""
    return rx.el.div(
        rx.el.a(_("Skip to content"), href="#content", class_name="skip-link"),
        header(),
        flash(),
        rx.el.main(
            contained(*children, padding_y=["24px", "32px", "40px"]),
            id="content",
            flex="1",
        ),
        footer(),
        class_name="page",
        lang=DjangoI18nState.language,
        dir=DjangoI18nState.direction,
        **props,
    )


def contained(*children: rx.Component, **props: object) -> rx.Component:
    """Keep ``children`` at the width of the page."""
    return rx.box(
        *children, width="100%", max_width=PAGE_WIDTH, margin_x="auto", padding_x=GUTTER, **props
    )


def direction() -> dict[str, object]:
    """How to write what is shown beside the page and not in it, such as a menu or a dialog."""
    return {"custom_attrs": {"dir": DjangoI18nState.direction}}


def flash() -> rx.Component:
    """What Django's messages say, from its views and from handlers alike."""
    return contained(
        rx.foreach(DjangoUserState.messages, message),
        class_name="flash",
        custom_attrs={"aria-live": "polite", "data-testid": "flash"},
    )


def message(one: rx.Var[dict[str, str]]) -> rx.Component:
    """One message, until it is dismissed."""
    level = one["level"]
    return rx.callout.root(
        rx.callout.icon(
            rx.match(
                level,
                ("error", rx.icon("octagon-x", size=18)),
                ("warning", rx.icon("triangle-alert", size=18)),
                ("success", rx.icon("circle-check", size=18)),
                rx.icon("info", size=18),
            )
        ),
        rx.callout.text(one["text"]),
        rx.el.button(
            rx.icon("x", size=16, aria_hidden="true"),
            on_click=DjangoUserState.dismiss(one["id"]),
            class_name="nav-icon nav-button",
            aria_label=_("Dismiss"),
        ),
        color_scheme=rx.match(
            level, ("error", "red"), ("warning", "amber"), ("success", "green"), "blue"
        ),
        role=rx.cond(level == "error", "alert", "status"),
        key=one["id"],
        custom_attrs={"data-level": level},
    )


def header() -> rx.Component:
    """The shop's name, the ways around, the cart and the user."""
    return rx.el.header(
        contained(
            rx.hstack(
                rx.link(logo(), href="/", underline="none", aria_label=_("Kiln & Oak, home")),
                rx.spacer(),
                rx.el.nav(
                    rx.link(_("Shop"), href="/", class_name="nav-link hide-small"),
                    rx.link(_("Orders"), href="/orders", class_name="nav-link hide-small"),
                    rx.link(_("Notes"), href="/notes", class_name="nav-link hide-small"),
                    cart_link(),
                    language(),
                    rx.color_mode.button(
                        variant="ghost",
                        color_scheme="gray",
                        size="2",
                        aria_label=_("Switch between light and dark"),
                    ),
                    account(),
                    class_name="nav",
                    aria_label=_("Main"),
                ),
                align="center",
                height="68px",
            ),
        ),
        class_name="header",
    )


def logo() -> rx.Component:
    """The mark and the name."""
    return rx.hstack(
        rx.image(src="/favicon.svg", alt="", width="30px", height="30px"),
        rx.text("Kiln & Oak", class_name="wordmark"),
        align="center",
        spacing="2",
    )


def cart_link() -> rx.Component:
    """The cart and how much is in it."""
    return rx.link(
        rx.icon("shopping-bag", size=20, aria_hidden="true"),
        rx.cond(
            CartState.count > 0,
            rx.el.span(CartState.count, class_name="badge", key=CartState.count.to_string()),
        ),
        href="/cart",
        class_name="nav-icon",
        aria_label=_("Cart, {count} items", count=CartState.count),
        custom_attrs={"data-testid": "cart-count"},
    )


def language() -> rx.Component:
    """The languages there are; the choice is kept in the cookie Django reads."""
    return rx.el.select(
        *[rx.el.option(code.upper(), value=code, title=name) for code, name in settings.LANGUAGES],
        value=DjangoI18nState.language,
        on_change=PersonalState.speak,
        class_name="language",
        aria_label=_("Language"),
        custom_attrs={"data-testid": "language"},
    )


def account() -> rx.Component:
    """Who is signed in, or the way to do so."""
    return rx.cond(
        DjangoUserState.is_authenticated,
        rx.fragment(
            rx.popover.root(
                rx.popover.trigger(
                    rx.el.button(
                        avatar("2"),
                        rx.el.span(
                            DjangoUserState.username,
                            class_name="hide-small",
                            custom_attrs={"data-testid": "username"},
                        ),
                        rx.icon("chevron-down", size=14, class_name="hide-small"),
                        class_name="account",
                        aria_label=_("Your account"),
                    )
                ),
                rx.popover.content(account_menu(), width="260px", align="end", **direction()),
            ),
            rx.el.button(
                rx.icon("log-out", size=18, aria_hidden="true"),
                on_click=PersonalState.sign_out,
                class_name="nav-icon nav-button hide-small",
                title=_("Sign out"),
                aria_label=_("Sign out"),
                custom_attrs={"data-testid": "sign-out"},
            ),
        ),
        sign_in_link("2", custom_attrs={"data-testid": "sign-in"}),
    )


def avatar(size: str) -> rx.Component:
    """The user's picture, or the first letter of the name."""
    return rx.avatar(
        src=AccountState.picture,
        fallback=DjangoUserState.username[0].upper(),
        size=size,
        radius="full",
        alt="",
    )


def account_menu() -> rx.Component:
    """The user's own menu."""
    return rx.vstack(
        rx.box(
            rx.text(_("Signed in as {name}", name=DjangoUserState.username), size="2"),
            rx.text(DjangoUserState.email, size="1", color_scheme="gray"),
        ),
        rx.separator(size="4"),
        rx.popover.close(menu_link("user-round", _("Your profile"), "/profile")),
        rx.popover.close(menu_link("package", _("Your orders"), "/orders")),
        rx.popover.close(menu_link("notebook-pen", _("Your notes"), "/notes")),
        rx.cond(
            DjangoUserState.is_staff,
            rx.fragment(
                rx.popover.close(menu_link("clipboard-list", _("Staff room"), "/staff")),
                rx.popover.close(menu_link("table-2", _("All orders"), "/staff/orders")),
                menu_link("store", _("Behind the counter"), "/admin/", link=django_link),
            ),
        ),
        rx.el.button(
            rx.icon("log-out", size=16),
            _("Sign out"),
            on_click=PersonalState.sign_out,
            class_name="menu-item show-small",
        ),
        spacing="2",
        width="100%",
        align="stretch",
    )


def menu_link(
    icon: str, label: rx.Var[str], href: str, link: Callable[..., rx.Component] = rx.link
) -> rx.Component:
    """A line of the menu."""
    return link(rx.icon(icon, size=16), label, href=href, class_name="menu-item")


def django_link(*children: rx.Component | str, **props: object) -> rx.Component:
    """A link that the browser follows itself; Reflex's own stay among the Reflex pages."""
    return rx.el.a(*children, reload_document=True, **props)


def sign_in_link(size: str, **props: object) -> rx.Component:
    """The way to the sign-in page, and from there back to this one."""
    here = rx.State.router.url.path  # Empty until the socket has told the page where it is.
    button = rx.button(_("Sign in"), size=size, tab_index=-1)
    return rx.cond(here, rx.link(button, href="/login?next=" + here, **props))


def footer() -> rx.Component:
    """What this shop is for."""
    return rx.el.footer(
        contained(
            rx.flex(
                rx.text(
                    _(
                        "The pages are Reflex, the counter and the API are Django: "
                        "one process, one port, one login."
                    ),
                    size="2",
                    color_scheme="gray",
                ),
                rx.spacer(),
                rx.hstack(
                    django_link("Admin", href="/admin/", class_name="nav-link"),
                    django_link("API", href="/api/products/", class_name="nav-link"),
                    rx.link(_("Orders"), href="/orders", class_name="nav-link"),
                    spacing="5",
                ),
                direction=rx.breakpoints(initial="column", sm="row"),
                spacing="3",
                padding_y="28px",
            ),
        ),
        class_name="footer",
    )


def title(text: rx.Var[str], note: rx.Var[str] | None = None) -> rx.Component:
    """The heading of a page, and a line below it."""
    return rx.box(
        rx.heading(text, as_="h1", size="8", weight="medium", class_name="serif"),
        None if note is None else rx.text(note, color_scheme="gray", size="3", margin_top="6px"),
        margin_bottom="28px",
    )


def notice(
    icon: str, heading: rx.Var[str], text: rx.Var[str], *actions: rx.Component
) -> rx.Component:
    """What a page says when it has nothing else to show."""
    return rx.vstack(
        rx.box(rx.icon(icon, size=26), class_name="notice-icon"),
        rx.heading(heading, as_="h2", size="6", weight="medium", class_name="serif"),
        rx.text(text, color_scheme="gray", size="3", text_align="center", max_width="42ch"),
        rx.hstack(*actions, spacing="3", margin_top="12px"),
        align="center",
        spacing="3",
        padding_y=["48px", "72px"],
        custom_attrs={"role": "status"},
    )


def ask_to_sign_in(text: rx.Var[str]) -> rx.Component:
    """What a visitor sees where a user's own things would be."""
    return notice(
        "user-round",
        _("Nice to meet you"),
        text,
        sign_in_link("3"),
        to_shop(_("Look around first"), variant="soft"),
    )


def to_shop(label: rx.Var[str], variant: str = "solid") -> rx.Component:
    """A button that leads to the catalogue."""
    return rx.link(rx.button(label, size="3", variant=variant, tab_index=-1), href="/")


def loading(*placeholders: rx.Component) -> rx.Component:
    """Placeholders, and a way out when they stay too long."""
    return rx.box(
        *placeholders,
        rx.text(
            _("This takes longer than it should."),
            " ",
            django_link(_("Try again"), href="", class_name="plain-link"),
            class_name="late",
            size="2",
            color_scheme="gray",
        ),
        custom_attrs={"aria-busy": "true"},
    )


def placeholder(height: str, width: str = "100%", radius: str = "12px") -> rx.Component:
    """A grey shape where something will be."""
    return rx.box(class_name="placeholder", height=height, width=width, border_radius=radius)
