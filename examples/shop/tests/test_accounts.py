"""The shop's two middleware, around views and around the handlers of events."""

from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, TestCase
from rxbridge.events import ReflexEvent

from accounts.middleware import BannedUserMiddleware, EventCountMiddleware, count_event
from accounts.models import Ban, EventCount
from catalogue.state import CatalogueState
from orders.state import CartState

User = get_user_model()


def ok(_request: HttpRequest) -> HttpResponse:
    """Stand for whatever comes next."""
    return HttpResponse("ok")


class BannedUserTests(TestCase):
    """`BannedUserMiddleware`."""

    def setUp(self) -> None:
        """Make a user who is banned and one who is not."""
        self.robin, self.alex = (
            User.objects.create_user(name, is_staff=True, is_superuser=True)
            for name in ("robin", "alex")
        )
        Ban.objects.create(user=self.alex)

    def status(self, user: User, handler: object) -> int:
        """Return what the middleware answers before the handler; 200 when it lets it run."""
        request = RequestFactory().get("/")
        request.user = user
        response = BannedUserMiddleware(ok).process_view(request, handler, (), {})
        return 200 if response is None else response.status_code

    def test_a_banned_user_may_look_but_not_buy(self) -> None:
        looking, buying = CatalogueState.load.fn, CartState.add.fn
        self.assertEqual(
            [self.status(self.alex, looking), self.status(self.alex, buying)], [200, 403]
        )

    def test_everybody_else_may_do_both(self) -> None:
        self.assertEqual(self.status(self.robin, CartState.add.fn), 200)

    def test_a_banned_user_is_kept_out_of_the_admin(self) -> None:
        self.client.force_login(self.alex)
        self.assertContains(self.client.get("/admin/"), "Not today", status_code=403)

    def test_a_banned_user_can_sign_out(self) -> None:
        self.client.force_login(self.alex)
        self.assertRedirects(
            self.client.post("/accounts/sign-out/"), "/", fetch_redirect_response=False
        )
        self.assertNotIn("_auth_user_id", self.client.session)


class EventCountTests(TestCase):
    """`EventCountMiddleware`."""

    def setUp(self) -> None:
        """Make a user."""
        self.robin = User.objects.create_user("robin")

    def fire(self, handler: object = None) -> None:
        """Pass a request through; one of an event if there is a handler."""
        request = RequestFactory().get("/")
        request.user = self.robin
        if handler is not None:
            request.reflex_event = ReflexEvent(name="event", handler=handler)
        EventCountMiddleware(ok)(request)

    def test_events_are_counted_by_handler(self) -> None:
        for handler in (CartState.add.fn, CartState.add.fn, CartState.load.fn):
            self.fire(handler)
        counts = dict(EventCount.objects.values_list("handler", "count"))
        self.assertEqual(counts, {"CartState.add": 2, "CartState.load": 1})

    def test_requests_are_not_counted(self) -> None:
        self.fire()
        self.assertFalse(EventCount.objects.exists())

    def test_users_are_counted_apart(self) -> None:
        count_event(self.robin, "CartState.add")
        count_event(User.objects.create_user("alex"), "CartState.add")
        self.assertEqual(list(EventCount.objects.values_list("count", flat=True)), [1, 1])


class SignInTests(TestCase):
    """One sign-in page for customers and staff."""

    def test_a_customer_signs_in_where_staff_do_and_comes_back(self) -> None:
        User.objects.create_user("robin", password="robin-pass")
        response = self.client.post(
            "/admin/login/?next=/product/tidal-mug",
            {"username": "robin", "password": "robin-pass", "next": "/product/tidal-mug"},
        )
        self.assertRedirects(response, "/product/tidal-mug", fetch_redirect_response=False)

    def test_a_customer_does_not_get_into_the_admin(self) -> None:
        self.client.force_login(User.objects.create_user("robin"))
        self.assertRedirects(self.client.get("/admin/"), "/admin/login/?next=/admin/")
