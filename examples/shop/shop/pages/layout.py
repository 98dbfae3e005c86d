"""What every page of the shop shares: header, footer, and small parts."""

from collections.abc import Callable

import reflex as rx
from rxbridge.state import DjangoUserState

from orders.state import CartState
from shop.account import AccountState

PAGE_WIDTH = "1180px"
GUTTER = ["16px", "24px", "32px"]


def page(*children: rx.Component) -> rx.Component:
    """Put ``children`` between the header and the footer."""
    return rx.el.div(
        rx.el.a("Skip to content", href="#content", class_name="skip-link"),
        header(),
        rx.el.main(
            contained(*children, padding_y=["24px", "32px", "40px"]),
            id="content",
            flex="1",
        ),
        footer(),
        class_name="page",
    )


def contained(*children: rx.Component, **props: object) -> rx.Component:
    """Keep ``children`` at the width of the page."""
    return rx.box(
        *children, width="100%", max_width=PAGE_WIDTH, margin_x="auto", padding_x=GUTTER, **props
    )


def header() -> rx.Component:
    """The shop's name, the ways around, the cart and the user."""
    return rx.el.header(
        contained(
            rx.hstack(
                rx.link(logo(), href="/", underline="none", aria_label="Kiln & Oak, home"),
                rx.spacer(),
                rx.el.nav(
                    rx.link("Shop", href="/", class_name="nav-link hide-small"),
                    rx.link("Orders", href="/orders", class_name="nav-link hide-small"),
                    cart_link(),
                    rx.color_mode.button(
                        variant="ghost",
                        color_scheme="gray",
                        size="2",
                        aria_label="Switch between light and dark",
                    ),
                    account(),
                    class_name="nav",
                    aria_label="Main",
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
        aria_label=f"Cart, {CartState.count} items",
        custom_attrs={"data-testid": "cart-count"},
    )


def account() -> rx.Component:
    """Who is signed in, or the way to do so."""
    return rx.cond(
        DjangoUserState.is_authenticated,
        rx.popover.root(
            rx.popover.trigger(
                rx.el.button(
                    rx.avatar(
                        fallback=DjangoUserState.username[0].upper(), size="2", radius="full"
                    ),
                    rx.el.span(
                        DjangoUserState.username,
                        class_name="hide-small",
                        custom_attrs={"data-testid": "username"},
                    ),
                    rx.icon("chevron-down", size=14, class_name="hide-small"),
                    class_name="account",
                    aria_label="Your account",
                )
            ),
            rx.popover.content(account_menu(), width="260px", align="end"),
        ),
        django_link(
            rx.button("Sign in", size="2", tab_index=-1),
            href=sign_in_url(),
            custom_attrs={"data-testid": "sign-in"},
        ),
    )


def account_menu() -> rx.Component:
    """The user's own menu."""
    return rx.vstack(
        rx.box(
            rx.text("Signed in as ", rx.text.strong(DjangoUserState.username), size="2"),
            rx.text(DjangoUserState.email, size="1", color_scheme="gray"),
        ),
        rx.separator(size="4"),
        rx.popover.close(menu_link("package", "Your orders", rx.link, href="/orders")),
        rx.cond(
            DjangoUserState.is_staff,
            menu_link("store", "Behind the counter", django_link, href="/admin/"),
        ),
        sign_out(),
        spacing="2",
        width="100%",
        align="stretch",
    )


def menu_link(icon: str, label: str, link: Callable[..., rx.Component], href: str) -> rx.Component:
    """A line of the menu."""
    return link(rx.icon(icon, size=16), label, href=href, class_name="menu-item")


def sign_out() -> rx.Component:
    """A plain form for Django's own view, whose CSRF check it passes.

    The button sends the form itself: Reflex keeps a form's submission for its own handlers.
    """
    return rx.el.form(
        rx.el.input(
            type="hidden", name="csrfmiddlewaretoken", value=AccountState.csrf, read_only=True
        ),
        rx.el.button(
            rx.icon("log-out", size=16),
            "Sign out",
            type="button",
            on_click=rx.call_script("document.getElementById('sign-out').submit()"),
            class_name="menu-item",
        ),
        id="sign-out",
        action="/accounts/sign-out/",
        method="post",
    )


def django_link(*children: rx.Component | str, **props: object) -> rx.Component:
    """A link that the browser follows itself; Reflex's own stay among the Reflex pages."""
    return rx.el.a(*children, reload_document=True, **props)


def sign_in_url() -> rx.Var[str]:
    """Django's sign-in page, and from there back to this page."""
    return "/admin/login/?next=" + rx.State.router.url.path


def footer() -> rx.Component:
    """What this shop is for."""
    return rx.el.footer(
        contained(
            rx.flex(
                rx.text(
                    "The pages are Reflex, the counter and the API are Django: "
                    "one process, one port, one login.",
                    size="2",
                    color_scheme="gray",
                ),
                rx.spacer(),
                rx.hstack(
                    django_link("Admin", href="/admin/", class_name="nav-link"),
                    django_link("API", href="/api/products/", class_name="nav-link"),
                    rx.link("Orders", href="/orders", class_name="nav-link"),
                    spacing="5",
                ),
                direction=rx.breakpoints(initial="column", sm="row"),
                spacing="3",
                padding_y="28px",
            ),
        ),
        class_name="footer",
    )


def title(text: str | rx.Var[str], note: str | rx.Var[str] = "") -> rx.Component:
    """The heading of a page, and a line below it."""
    return rx.box(
        rx.heading(text, as_="h1", size="8", weight="medium", class_name="serif"),
        rx.text(note, color_scheme="gray", size="3", margin_top="6px") if note else rx.fragment(),
        margin_bottom="28px",
    )


def notice(
    icon: str, heading: str, text: str | rx.Var[str], *actions: rx.Component
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


def ask_to_sign_in(text: str) -> rx.Component:
    """What a visitor sees where a user's own things would be."""
    return notice(
        "user-round",
        "Nice to meet you",
        text,
        django_link(rx.button("Sign in", size="3", tab_index=-1), href=sign_in_url()),
        to_shop("Look around first", variant="soft"),
    )


def to_shop(label: str, variant: str = "solid") -> rx.Component:
    """A button that leads to the catalogue."""
    return rx.link(rx.button(label, size="3", variant=variant, tab_index=-1), href="/")


def loading(*placeholders: rx.Component) -> rx.Component:
    """Placeholders, and a way out when they stay too long."""
    return rx.box(
        *placeholders,
        rx.text(
            "This takes longer than it should. You can ",
            django_link("try again", href="", class_name="plain-link"),
            " or ",
            django_link("sign in", href=sign_in_url(), class_name="plain-link"),
            " with another account.",
            class_name="late",
            size="2",
            color_scheme="gray",
        ),
        custom_attrs={"aria-busy": "true"},
    )


def placeholder(height: str, width: str = "100%", radius: str = "12px") -> rx.Component:
    """A grey shape where something will be."""
    return rx.box(class_name="placeholder", height=height, width=width, border_radius=radius)
