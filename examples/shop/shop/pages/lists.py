"""The parts of a list that is searched, filtered and paged through."""

import reflex as rx
from rxbridge.state import translated as _


def search_box(label: rx.Var[str], **props: object) -> rx.Component:
    """Search while one types."""
    return rx.input(
        rx.input.slot(rx.icon("search", size=16)),
        debounce_timeout=250,
        placeholder=label,
        type="search",
        size="3",
        radius="full",
        class_name="toolbar-search",
        custom_attrs={"aria-label": label},
        **props,
    )


def pill(label: rx.Var[str], is_on: rx.Var[bool], on_click: rx.event.EventType) -> rx.Component:
    """A filter or an order, filled when it is the one."""
    return rx.el.button(
        label,
        on_click=on_click,
        class_name=rx.cond(is_on, "pill pill-on", "pill"),
        custom_attrs={"aria-pressed": rx.cond(is_on, "true", "false")},
    )


def pager(state: type[rx.State]) -> rx.Component:
    """The way through the pages of a list, where there are several."""
    return rx.cond(
        state.pages > 1,
        rx.el.nav(
            turn(
                "chevron-left", _("Previous page"), state.show_page(state.page - 1), state.page <= 1
            ),
            rx.text(
                _("Page {page} of {pages}", page=state.page, pages=state.pages),
                size="2",
                custom_attrs={"aria-live": "polite", "data-testid": "pager"},
            ),
            turn(
                "chevron-right",
                _("Next page"),
                state.show_page(state.page + 1),
                state.page >= state.pages,
            ),
            class_name="pager",
            aria_label=_("Pages"),
        ),
    )


def turn(
    icon: str, label: rx.Var[str], event: rx.event.EventSpec, is_last: rx.Var[bool]
) -> rx.Component:
    """A button to the page beside this one."""
    return rx.el.button(
        rx.icon(icon, size=18, aria_hidden="true", class_name="turned"),
        on_click=event,
        disabled=is_last,
        class_name="step",
        aria_label=label,
    )
