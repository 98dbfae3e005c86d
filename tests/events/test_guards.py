"""Guards: a guarded handler runs only for who may run it, whatever kind of handler it is."""

import functools
import inspect
from contextlib import contextmanager
from urllib.parse import quote, urlencode

import pytest
import reflex as rx
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.utils.deprecation import MiddlewareMixin
from reflex_base.event import (
    resolve_upload_chunk_handler_param,
    resolve_upload_handler_param,
)

from rxbridge.events import ContextBinder, SyntheticRequestFactory, current_user
from rxbridge.events.guards import (
    Refused,
    check_guards,
    group_required,
    login_required,
    permission_required,
    staff_required,
    user_passes_test,
)
from rxbridge.state import DjangoUserState
from rxbridge.testing import EventClient, make_event
from tests.events.app import app, bridge, bridged


class Bare(AbstractBaseUser):
    """A custom user model without staff, groups or permissions of its own."""

    class Meta:
        app_label = "bare"

    def has_perms(self, permissions):
        return False


async def is_ada(user):
    return user.get_username() == "ada"


asked = []


def passes_if_asked_again(user):
    asked.append(user)
    return len(asked) > 1


def returns_a_coroutine(user):
    return is_ada(user)


def raises_unless_asked_again(user):
    asked.append(user)
    if len(asked) == 1:
        raise LookupError("not now")
    return True


class Shared(rx.State, mixin=True):
    @rx.event
    @login_required
    def of_a_mixin(self):
        self.ran = [*self.ran, "of_a_mixin"]


class Guarded(Shared, rx.State):
    ran: list[str] = []
    amount: int = 0

    @rx.event
    @login_required
    def plain(self):
        self.ran = [*self.ran, "plain"]

    @login_required
    @rx.event
    def guard_above(self):
        self.ran = [*self.ran, "guard_above"]

    @rx.event
    @login_required()
    async def coroutine(self):
        self.ran = [*self.ran, "coroutine"]

    @rx.event
    @login_required
    def generator(self):
        self.ran = [*self.ran, "generator"]
        yield
        yield rx.toast("halfway")
        return Guarded.open

    @rx.event
    @login_required
    async def async_generator(self):
        self.ran = [*self.ran, "async_generator"]
        yield
        yield rx.toast("halfway")
        yield Guarded.open

    @rx.event(background=True)
    @login_required
    async def background(self):
        async with self:
            self.ran = [*self.ran, "background"]

    @rx.event(background=True)
    @user_passes_test(passes_if_asked_again)
    async def background_asked_once(self):
        async with self:
            self.ran = [*self.ran, "background_asked_once"]

    @rx.event(background=True)
    @user_passes_test(raises_unless_asked_again)
    async def background_not_told(self):
        async with self:
            self.ran = [*self.ran, "background_not_told"]

    @login_required
    @rx.event(background=True)
    async def background_guard_above(self):
        async with self:
            self.ran = [*self.ran, "background_guard_above"]

    @rx.event(background=True)
    @permission_required("auth.add_group")
    async def background_generator(self):
        async with self:
            self.ran = [*self.ran, "background_generator"]
        yield rx.toast("done")

    @rx.event
    def open(self):
        self.ran = [*self.ran, "open"]

    @rx.event
    @login_required(login_url="/accounts/enter/", redirect_field_name="then")
    def own_login_page(self):
        self.ran = [*self.ran, "own_login_page"]

    @rx.event
    @login_required(login_url="https://sso.example.com/login")
    def foreign_login_page(self):
        self.ran = [*self.ran, "foreign_login_page"]

    @rx.event
    @staff_required
    def staff(self):
        self.ran = [*self.ran, "staff"]

    @rx.event
    @permission_required("auth.add_group", "auth.delete_group")
    def permitted(self):
        self.ran = [*self.ran, "permitted"]

    @rx.event
    @permission_required("auth.add_group", "auth.delete_group")
    async def permitted_async(self):
        self.ran = [*self.ran, "permitted_async"]

    @rx.event
    @group_required("editors", "authors")
    def member(self):
        self.ran = [*self.ran, "member"]

    @rx.event
    @group_required("editors", "authors")
    async def member_async(self):
        self.ran = [*self.ran, "member_async"]

    @rx.event
    @user_passes_test(lambda user: User.objects.filter(pk=user.pk, username="ada").exists())
    async def orm_test(self):
        self.ran = [*self.ran, "orm_test"]

    @rx.event
    @user_passes_test(is_ada)
    def async_test_of_sync_handler(self):
        self.ran = [*self.ran, "async_test_of_sync_handler"]

    @rx.event
    @user_passes_test(returns_a_coroutine)
    async def test_that_returns_a_coroutine(self):
        self.ran = [*self.ran, "test_that_returns_a_coroutine"]

    @rx.event
    @login_required
    @staff_required(login_url="/staff/")
    async def stacked(self):
        self.ran = [*self.ran, "stacked"]

    @rx.event
    @login_required
    async def add(self, amount: int, times: float = 1):
        """Add."""
        self.amount += int(amount * times)

    @rx.event
    async def calls_guarded(self):
        await self.coroutine()
        self.ran = [*self.ran, "calls_guarded"]

    @rx.event
    def chains_guarded(self):
        self.ran = [*self.ran, "chains_guarded"]
        return Guarded.plain

    @rx.event
    @login_required
    async def upload(self, files: list[rx.UploadFile]):
        self.ran = [*self.ran, "upload"]

    @rx.event(background=True)
    @login_required
    async def upload_chunks(self, chunks: rx.UploadChunkIterator):
        self.ran = [*self.ran, "upload_chunks"]


@contextmanager
def bound_to(user, **event):
    request = SyntheticRequestFactory().build(make_event(**event))
    request.user = user
    with ContextBinder().bound(request):
        yield request


async def run(handler, user=None, *, path="/", query="", **payload):
    """Fire ``handler`` as ``user``; return what came of it and the handlers that ran."""
    async with EventClient(app, user=user, raise_exceptions=False) as tab:
        await tab.load(path, query=query)
        fired = await tab.fire(handler, **payload)
        later = await tab.background()
        fired.events += later.events
        fired.exceptions += later.exceptions
        return fired, list((await tab.state(Guarded)).ran)


KINDS = [
    Guarded.plain,
    Guarded.guard_above,
    Guarded.coroutine,
    Guarded.generator,
    Guarded.async_generator,
    Guarded.background,
    Guarded.background_guard_above,
    Guarded.of_a_mixin,
]


def name_of(value):
    return value.fn.__name__ if hasattr(value, "fn") else None


@pytest.mark.django_db(transaction=True)
class TestThroughTheBridge:
    @pytest.mark.parametrize("handler", KINDS, ids=name_of)
    async def test_anonymous_visitor_is_sent_to_login_and_nothing_runs(self, handler):
        fired, ran = await run(handler, path="/members", query="page=2&tag=a&tag=b")
        assert fired.redirect == "/admin/login/?next=/members%3Fpage%3D2%26tag%3Da%26tag%3Db"
        assert ran == []
        assert fired.toasts == []
        assert fired.exception is None

    async def test_refused_task_does_not_start_whatever_a_middleware_answers(self):
        class AllIsWell(MiddlewareMixin):
            def process_response(self, request, response):
                return HttpResponse()

        asked.clear()
        with bridged(AllIsWell):
            _, ran = await run(Guarded.background_asked_once)
        assert (ran, len(asked)) == ([], 1)

    async def test_task_whose_guard_raised_does_not_start_whatever_a_middleware_answers(self):
        class AllIsWell(MiddlewareMixin):
            def process_exception(self, request, exception):
                return HttpResponse()

        asked.clear()
        with bridged(AllIsWell):
            _, ran = await run(Guarded.background_not_told)
        assert (ran, len(asked)) == ([], 1)

    async def test_upload_whose_guard_raised_is_refused_whatever_a_middleware_answers(self):
        class AllIsWell(MiddlewareMixin):
            def process_exception(self, request, exception):
                return HttpResponse()

        @user_passes_test(raises_unless_asked_again)
        def upload(state, files):
            pass

        asked.clear()
        judge = bridge(AllIsWell).judge
        assert await judge(app, make_event(handler=upload)) is not None
        assert await judge(app, make_event(handler=upload)) is None

    @pytest.mark.parametrize("handler", KINDS, ids=name_of)
    async def test_signed_in_user_runs_the_handler(self, handler):
        user = await User.objects.acreate_user("ada")
        fired, ran = await run(handler, user)
        assert ran[0] == name_of(handler)
        assert fired.redirect is None
        assert fired.exception is None

    @pytest.mark.parametrize("handler", [Guarded.generator, Guarded.async_generator], ids=name_of)
    async def test_generator_keeps_its_steps_and_what_it_chains(self, handler):
        user = await User.objects.acreate_user("ada")
        fired, ran = await run(handler, user)
        assert fired.toasts == ["halfway"]
        assert ran == [name_of(handler), "open"]

    @pytest.mark.parametrize("page", ["/members", "/members?page=2"])
    async def test_asked_again_on_the_way_to_the_login_page_next_stays_the_page(self, page):
        # What Reflex's client sends then: the new address's query with the old one's path.
        fired, _ = await run(Guarded.plain, path="/members", query=urlencode({"next": page}))
        assert fired.redirect == "/admin/login/?next=" + quote(page)

    async def test_login_page_and_field_of_the_guard(self):
        fired, _ = await run(Guarded.own_login_page, path="/members")
        assert fired.redirect == "/accounts/enter/?then=/members"

    async def test_next_is_a_full_address_for_a_login_page_elsewhere(self):
        fired, ran = await run(Guarded.foreign_login_page, path="/members")
        assert fired.redirect == "https://sso.example.com/login?next=http%3A//testserver/members"
        assert ran == []

    async def test_login_url_may_be_the_name_of_a_url(self, settings):
        settings.LOGIN_URL = "admin:login"
        fired, _ = await run(Guarded.plain, path="/members")
        assert fired.redirect == "/admin/login/?next=/members"

    @pytest.mark.parametrize(
        "path", ["//evil.example", "///evil.example/x", "/\\evil.example"], ids=repr
    )
    async def test_next_never_leads_to_another_host(self, path):
        async with EventClient(app) as tab:
            tab.path = path
            fired = await tab.fire(Guarded.plain)
        _, _, following = fired.redirect.partition("?next=")
        assert following.startswith("/")
        assert not following.startswith(("//", "/\\"))

    @pytest.mark.parametrize(
        "handler",
        [
            Guarded.staff,
            Guarded.permitted,
            Guarded.permitted_async,
            Guarded.member,
            Guarded.member_async,
            Guarded.orm_test,
            Guarded.async_test_of_sync_handler,
            Guarded.test_that_returns_a_coroutine,
            Guarded.stacked,
            Guarded.background_generator,
        ],
        ids=name_of,
    )
    async def test_each_guard_refuses_and_admits(self, handler):
        bob = await User.objects.acreate_user("bob")
        fired, ran = await run(handler, bob)
        assert (ran, fired.redirect) == ([], None)
        assert fired.toasts == ["You are not allowed to do that."]

        fired, ran = await run(handler)
        assert ran == []
        assert "next=" in fired.redirect

        ada = await User.objects.acreate_user("ada", is_staff=True)
        await ada.groups.aadd(await Group.objects.acreate(name="authors"))
        async for permission in Permission.objects.filter(
            codename__in=["add_group", "delete_group"]
        ):
            await ada.user_permissions.aadd(permission)
        fired, ran = await run(handler, ada)
        assert ran == [name_of(handler)]

    async def test_one_of_two_permissions_is_not_enough(self):
        user = await User.objects.acreate_user("ada")
        await user.user_permissions.aadd(await Permission.objects.aget(codename="add_group"))
        _, ran = await run(Guarded.permitted, user)
        assert ran == []

    async def test_outer_guard_is_asked_first(self):
        fired, _ = await run(Guarded.stacked)
        assert fired.redirect == "/admin/login/?next=/"

    async def test_user_deactivated_meanwhile_is_anonymous(self):
        user = await User.objects.acreate_user("ada")
        async with EventClient(app, user=user) as tab:
            await tab.load("/")
            await User.objects.filter(pk=user.pk).aupdate(is_active=False)
            fired = await tab.fire(Guarded.plain)
            assert fired.redirect == "/admin/login/?next=/"
            assert (await tab.state(Guarded)).ran == []

    async def test_payload_is_converted_as_annotated(self):
        user = await User.objects.acreate_user("ada")
        async with EventClient(app, user=user) as tab:
            await tab.load("/")
            await tab.fire(Guarded.add, amount="3", times="2.5")
            assert (await tab.state(Guarded)).amount == 7

    async def test_guard_holds_when_another_handler_calls_the_handler(self):
        fired, ran = await run(Guarded.calls_guarded)
        assert ran == []
        assert fired.redirect == "/admin/login/?next=/"

    async def test_guard_holds_when_another_handler_chains_the_handler(self):
        fired, ran = await run(Guarded.chains_guarded, path="/members")
        assert ran == ["chains_guarded"]
        assert fired.redirect == "/admin/login/?next=/members"

    async def test_login_required_middleware_still_stands_before_the_guard(self):
        with bridged("django.contrib.auth.middleware.LoginRequiredMiddleware"):
            fired, ran = await run(Guarded.own_login_page)
            assert fired.redirect == "/accounts/enter/?then=/"
            assert ran == []
            fired, ran = await run(Guarded.open)
            assert fired.redirect == "/admin/login/?next=/"
            assert ran == []

    @pytest.mark.parametrize("handler", KINDS, ids=name_of)
    async def test_event_the_bridge_skips_has_no_user_so_nothing_runs(self, handler):
        user = await User.objects.acreate_user("ada")
        with bridged(exclude=lambda event: True):
            fired, ran = await run(handler, user)
        assert ran == []
        assert [type(error) for error in fired.exceptions] == [PermissionDenied]

    async def test_page_learns_with_the_refusal_that_the_session_has_ended(self):
        user = await User.objects.acreate_user("ada")
        async with EventClient(app, user=user) as tab:
            await tab.load("/members")
            tab.connection.delete_cookie("sessionid")
            fired = await tab.fire(Guarded.plain)
            assert fired.vars["is_authenticated"] is False
            assert not (await tab.state(DjangoUserState)).is_authenticated


class TestTheFunction:
    @pytest.mark.parametrize("handler", KINDS, ids=name_of)
    def test_stays_of_its_kind(self, handler):
        guarded, own = handler.fn, inspect.unwrap(handler.fn)
        for is_kind in (
            inspect.iscoroutinefunction,
            inspect.isasyncgenfunction,
            inspect.isgeneratorfunction,
        ):
            assert is_kind(guarded) == is_kind(own)

    def test_keeps_name_signature_and_annotations(self):
        fn = Guarded.add.fn
        assert fn.__name__ == "add"
        assert fn.__qualname__ == "Guarded.add"
        assert fn.__module__ == __name__
        assert fn.__doc__ == "Add."
        assert list(inspect.signature(fn).parameters) == ["self", "amount", "times"]
        assert fn.__annotations__ == {"amount": int, "times": float}

    def test_keeps_its_attributes_in_either_order_of_decorators(self):
        assert Guarded.background.is_background
        assert Guarded.background_guard_above.is_background
        assert not Guarded.coroutine.is_background

    def test_upload_handlers_are_still_recognised(self):
        assert resolve_upload_handler_param(Guarded.upload)[0] == "files"
        assert resolve_upload_chunk_handler_param(Guarded.upload_chunks)[0] == "chunks"

    def test_guard_on_what_is_no_function_says_what_to_do(self):
        with pytest.raises(TypeError, match=r"below @rx\.event"):
            login_required(Guarded.open)

    @pytest.mark.parametrize("guard", [permission_required, group_required])
    @pytest.mark.parametrize(
        "names",
        [(), ("",), (lambda self: None,), (["a.b"],)],
        ids=["none", "empty", "function", "list"],
    )
    def test_names_are_needed(self, guard, names):
        with pytest.raises(ValueError, match=guard.__name__):
            guard(*names)

    def test_permission_without_its_app_is_a_mistake(self):
        with pytest.raises(ValueError, match=r"app_label\.codename"):
            permission_required("add_group")


class TestTheCheck:
    async def test_handler_called_outside_any_event_is_denied(self):
        with pytest.raises(PermissionDenied):
            Guarded.plain.fn(None)
        with pytest.raises(PermissionDenied):
            await Guarded.coroutine.fn(None)
        with pytest.raises(PermissionDenied):
            next(Guarded.generator.fn(None))
        with pytest.raises(PermissionDenied):
            await anext(Guarded.async_generator.fn(None))

    async def test_test_that_raises_lets_nothing_run(self):
        ran = []

        def broken(user):
            raise ZeroDivisionError

        @user_passes_test(broken)
        async def handler():
            ran.append(True)

        with bound_to(User(username="ada")), pytest.raises(ZeroDivisionError):
            await handler()
        assert ran == []

    @pytest.mark.parametrize(
        "guard",
        [staff_required, group_required("editors"), permission_required("shop.add_order")],
        ids=["staff", "group", "permission"],
    )
    async def test_user_model_without_the_fields_is_refused(self, guard):
        @guard
        async def handler(): ...

        with bound_to(Bare()), pytest.raises(PermissionDenied):
            await handler()

    @pytest.mark.parametrize("guard", [staff_required, group_required("editors")])
    async def test_inactive_user_whom_the_backend_lets_in_is_no_staff_and_no_member(self, guard):
        @guard
        async def handler(): ...

        inactive = User(username="ada", is_staff=True, is_active=False)
        with bound_to(inactive), pytest.raises(PermissionDenied):
            await handler()

    async def test_superuser_is_no_member_of_every_group(self, transactional_db):
        root = await User.objects.acreate_superuser("root")

        @group_required("editors")
        async def handler(): ...

        with bound_to(root), pytest.raises(PermissionDenied):
            await handler()

    async def test_callable_object_with_an_async_call_is_awaited(self):
        class IsAda:
            async def __call__(self, user):
                return user.get_username() == "ada"

        @user_passes_test(IsAda())
        async def handler():
            return current_user().get_username()

        with bound_to(User(username="ada")):
            assert await handler() == "ada"
        with bound_to(User(username="bob")), pytest.raises(PermissionDenied):
            await handler()

    async def test_check_guards_asks_all_of_them(self):
        handler = Guarded.stacked.fn
        with bound_to(User(username="ada", is_staff=True)) as request:
            await check_guards(handler, request)
        with bound_to(User(username="ada")) as request, pytest.raises(PermissionDenied):
            await check_guards(handler, request)
        with (
            bound_to(AnonymousUser(), path="/members") as request,
            pytest.raises(Refused) as refused,
        ):
            await check_guards(handler, request)
        assert refused.value.response.url == "/admin/login/?next=/members"

    async def test_check_guards_finds_them_below_another_decorator(self):
        def noted(handler):
            @functools.wraps(handler)
            async def call(*args, **kwargs):
                return await handler(*args, **kwargs)

            return call

        @login_required
        @noted
        @staff_required
        async def handler(): ...

        with bound_to(User(username="ada")) as request, pytest.raises(PermissionDenied):
            await check_guards(handler, request)

    async def test_unguarded_handler_passes(self):
        await check_guards(Guarded.open.fn, None)

    async def test_async_generator_is_closed_with_the_guard(self):
        closed = []

        @login_required
        async def handler():
            try:
                yield 1
                yield 2
            finally:
                closed.append(True)

        with bound_to(User(username="ada")):
            steps = handler()
            assert await anext(steps) == 1
            await steps.aclose()
        assert closed == [True]
