"""Page guards: what of a page is shown to whom.

They decide what is shown, not what may be done: a compiled page is a public file. What must stay
secret comes out of guarded handlers; see ``rxbridge.events.guards``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias, overload

import reflex as rx

from rxbridge.events.guards import GUARDS, login_required, permission_required, staff_required

Page: TypeAlias = "Callable[[], rx.Component]"

FORBIDDEN = "You are not allowed to see this page."


def guarded(
    component: rx.Component,
    *,
    when: Any,
    fallback: rx.Component | None = None,
    pending: rx.Component | None = None,
) -> rx.Component:
    """Show ``component`` while ``when`` is true, and ``fallback`` while it is not.

    ``when`` is a var that is false by default, such as ``DjangoUserState.is_staff``. Until the
    server has said what it is, ``pending`` is shown, so nothing flashes; the prerendered page
    holds ``pending`` alone. What is left out is an empty fragment.
    """
    otherwise = _cond(rx.State.is_hydrated, fallback or _fragment(), pending or _fragment())
    # Asked first, so a reconnect, which dehydrates the page, does not unmount what is shown.
    return _cond(when, component, otherwise)


@overload
def login_required_page(page: Page, /) -> Page: ...


@overload
def login_required_page(*, pending: rx.Component | None = None) -> Callable[[Page], Page]: ...


def login_required_page(
    page: Page | None = None, /, *, pending: rx.Component | None = None
) -> Page | Callable[[Page], Page]:
    """Show a page to who is signed in; take anyone else to ``settings.LOGIN_URL`` and back.

    Written below ``@rx.page``, with or without arguments. It also acts when the visitor is
    signed out while the page is open.
    """
    decorate = _showing(lambda shown: _for_signed_in(shown, pending), behind=login_required())
    return decorate if page is None else decorate(page)


@overload
def staff_required_page(page: Page, /) -> Page: ...


@overload
def staff_required_page(
    *, forbidden: rx.Component | None = None, pending: rx.Component | None = None
) -> Callable[[Page], Page]: ...


def staff_required_page(
    page: Page | None = None,
    /,
    *,
    forbidden: rx.Component | None = None,
    pending: rx.Component | None = None,
) -> Page | Callable[[Page], Page]:
    """Show a page to staff, ``forbidden`` to other users, and the login page to anyone else.

    Written below ``@rx.page``, with or without arguments.
    """
    from rxbridge.state._page_guard_state import PageGuardState

    def to_staff(shown: rx.Component) -> rx.Component:
        refused = _for_signed_in(forbidden or rx.text(FORBIDDEN), pending)
        return _cond(PageGuardState.is_staff, shown, refused)

    decorate = _showing(to_staff, behind=staff_required())
    return decorate if page is None else decorate(page)


def permission_required_page(
    *permissions: str,
    forbidden: rx.Component | None = None,
    pending: rx.Component | None = None,
) -> Callable[[Page], Page]:
    """Show a page to users who have all ``permissions``, such as ``"shop.view_order"``.

    The page asks the server each time it is opened; ``pending`` is shown meanwhile. Other users
    see ``forbidden``, and who is not signed in the login page. Written below ``@rx.page``.
    """
    if not permissions or not all("." in permission for permission in permissions):
        msg = 'Name permissions: write @permission_required_page("shop.view_order").'
        raise ValueError(msg)
    from rxbridge.state._page_guard_state import PageGuardState, question

    state: Any = PageGuardState
    key = question(list(permissions))

    def to_permitted(shown: rx.Component) -> rx.Component:
        refused = _cond(
            state.answers.contains(key), forbidden or rx.text(FORBIDDEN), pending or _fragment()
        )
        return _fragment(
            _cond(rx.State.is_hydrated, _sends_on_mount(state.ask(list(permissions)))),
            _cond(state.answers[key], shown, refused),
        )

    return _showing(to_permitted, behind=permission_required(*permissions))


def _showing(
    what: Callable[[rx.Component], rx.Component], *, behind: Any
) -> Callable[[Page], Page]:
    """Return a decorator for pages that show ``what`` is made of them.

    Whom they are not shown to is noted on them, so that the bridge does not say so as well.
    """

    def decorate(page: Page) -> Page:
        @wraps(page)
        def guarded_page() -> rx.Component:
            return what(page())

        setattr(guarded_page, GUARDS, (behind,))
        return guarded_page

    return decorate


def _for_signed_in(component: rx.Component, pending: rx.Component | None) -> rx.Component:
    """Show ``component`` to who is signed in; take anyone else to the login page."""
    from rxbridge.state._page_guard_state import PageGuardState

    when, to_login = PageGuardState.is_authenticated, _sends_on_mount(PageGuardState.require_login)
    return guarded(component, when=when, fallback=to_login, pending=pending)


def _sends_on_mount(event: Any) -> rx.Component:
    """Return a component that shows nothing and sends ``event`` when it is put into the page."""
    # A moment later: Reflex notes the new address of a client-side navigation only after the
    # new page is mounted, and an event sent before would name the page left as `next`.
    return _fragment(on_mount=event.debounce(10))


def _cond(condition: Any, *components: rx.Component) -> rx.Component:
    shown: Any = rx.cond(condition, *components)
    return shown  # type: ignore[no-any-return]


def _fragment(*components: rx.Component, **props: Any) -> rx.Component:
    fragment: Any = rx.fragment(*components, **props)
    return fragment  # type: ignore[no-any-return]
