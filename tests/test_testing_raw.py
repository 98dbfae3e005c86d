"""RawClient: real handshakes and any event, at a whole ASGI application in this process."""

import contextlib
import tempfile

import pytest
import reflex as rx
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import AsyncClient, TestCase
from django.utils.deprecation import MiddlewareMixin

from rxbridge.asgi import REFLEX_PREFIXES, OriginGuard, PrefixRouter
from rxbridge.errors import RxBridgeError
from rxbridge.events import reflex_asgi
from rxbridge.testing import RawClient, assert_refused
from tests.events.app import Counter, app, bridged, connections

pytestmark = pytest.mark.usefixtures("own_mirrors")

COUNTER = Counter.get_full_name()


@contextlib.contextmanager
def served():
    """The test app behind the parts a project puts before it, in a directory of its own."""
    with tempfile.TemporaryDirectory() as directory, contextlib.chdir(directory):
        rx.upload(rx.text("drop"))  # Reflex serves uploads for pages that have one.
        own = ["http://localhost", "https://ok.example"]
        reflex = OriginGuard(connections.wrap(reflex_asgi(app)), allowed=own)
        yield PrefixRouter(dict.fromkeys(REFLEX_PREFIXES, reflex), lifespan=reflex)


@pytest.fixture(scope="module")
def application():
    with served() as application:
        yield application


async def signed_in(user):
    client = AsyncClient()
    await client.aforce_login(user)
    return client.cookies


class Closed(MiddlewareMixin):
    def process_view(self, request, view, args, kwargs):
        return None if request.user.is_authenticated else HttpResponse(status=403)


class TestHandshake:
    @pytest.mark.parametrize(
        ("options", "status"),
        [
            ({}, 101),
            ({"origin": "https://ok.example"}, 101),
            ({"host": "shop.example.com"}, 101),
            ({"host": "shop.example.com", "origin": "https://ok.example"}, 101),
            ({"origin": "https://evil.example"}, 403),
            ({"origin": "null"}, 403),
            ({"origin": None}, 403),
            ({"headers": {"x-rxbridge-connection": "forged"}}, 101),
            ({"headers": {"x-large": "x" * 70_000}}, 403),
        ],
    )
    async def test_status_is_what_the_application_answered(self, application, options, status):
        async with RawClient(application) as raw, raw.connect(**options) as socket:
            assert socket.status == status
            assert socket.closed == (status != 101)

    async def test_no_socket_is_where_none_is_served(self, application):
        async with RawClient(application, path="/nowhere") as raw, raw.connect() as socket:
            assert socket.status == 403

    async def test_refused_socket_receives_nothing(self, application):
        async with RawClient(application) as raw, raw.connect(origin="https://evil") as socket:
            fired = await socket.send(f"{COUNTER}.add", {"number": 1})
        assert str(fired) == "nothing came"

    async def test_application_serves_one_client_after_another(self, application):
        for _ in range(3):
            async with RawClient(application) as raw, raw.connect() as socket:
                assert (await socket.send(f"{COUNTER}.add", {"number": 1})).vars["count"] == 1


class TestEvents:
    async def test_event_runs_with_all_it_chains(self, application):
        async with RawClient(application) as raw, raw.connect() as socket:
            fired = await socket.send(f"{COUNTER}.deep", {"levels": 3})
            assert len(fired.vars["seen"]) == 4
            assert (await socket.send(f"{COUNTER}.count_up_async")).vars["count"] == 3

    async def test_background_task_is_waited_for(self, application):
        async with RawClient(application) as raw, raw.connect() as socket:
            with pytest.raises(TimeoutError):
                await socket.send(f"{COUNTER}.background_forever", timeout=0.1)

    @pytest.mark.parametrize(
        "message",
        [
            ["event"],
            ["event", {"name": "no.such.handler", "payload": {}, "router_data": {}}],
            ["no_such_message", 1],
        ],
    )
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    async def test_what_is_no_event_comes_to_nothing(self, application, message, caplog):
        async with RawClient(application) as raw, raw.connect() as socket:
            assert str(await socket.send_message(message)) == "nothing came"
            assert (await socket.send(f"{COUNTER}.add", {"number": 1})).vars["count"] == 1

    @pytest.mark.parametrize("message", [["event", "no object"], ["event", {"payload": {}}]])
    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    async def test_what_reflex_cannot_read_is_refused_with_400(self, application, message):
        async with RawClient(application) as raw, raw.connect() as socket:
            assert_refused(await socket.send_message(message), status=400)
            assert (await socket.send(f"{COUNTER}.add", {"number": 1})).vars["count"] == 1

    async def test_malformed_event_is_refused_with_400(self, application):
        async with RawClient(application) as raw, raw.connect() as socket:
            await socket.send(f"{COUNTER}.add", {"number": 1})
            fired = await socket.send(
                f"{COUNTER}.add", {"number": 1}, router_data={"pathname": "/", "asPath": "x\n"}
            )
            assert_refused(fired, status=400)

    async def test_refusal_is_told_as_to_event_client(self, application):
        with bridged(Closed):
            async with RawClient(application) as raw, raw.connect() as socket:
                fired = await socket.send(f"{COUNTER}.add", {"number": 1})
                assert_refused(fired, status=403)
                assert fired.toasts == ["You are not allowed to do that."]
                assert "count" not in fired.vars or fired.vars["count"] == 0

    async def test_first_event_goes_with_the_connect(self, application):
        first = {
            "name": f"{COUNTER}.add",
            "payload": {"number": 5},
            "router_data": {"pathname": "/", "asPath": "/"},
        }
        async with RawClient(application) as raw, raw.connect(first=first) as socket:
            assert (await socket.send(f"{COUNTER}.add", {"number": 1})).vars["count"] == 6

    async def test_socket_says_what_it_is_told_to(self, application):
        seen = []

        class Look(MiddlewareMixin):
            def process_request(self, request):
                seen.append(request)

        with bridged(Look):
            async with (
                RawClient(application) as raw,
                raw.connect(
                    host="shop.example.com",
                    secure=True,
                    origin="https://ok.example",
                    cookies={"theme": "dark"},
                    headers={"X-Tenant": "acme"},
                    client="203.0.113.7",
                ) as socket,
            ):
                router_data = {"pathname": "/upload", "asPath": "/upload?q=1", "headers": {}}
                await socket.send(f"{COUNTER}.add", {"number": 1}, router_data=router_data)
        request = seen[0]
        assert request.build_absolute_uri() == "https://shop.example.com/upload?q=1"
        assert request.COOKIES["theme"] == "dark"
        assert request.headers["X-Tenant"] == "acme"
        assert request.headers["Origin"] == "https://ok.example"
        assert request.META["REMOTE_ADDR"] == "203.0.113.7"

    async def test_stream_may_be_uploaded(self, application):
        async with RawClient(application) as raw, raw.connect() as socket:
            file = ("a.txt", b"0123")
            answer = await raw.upload(f"{COUNTER}.upload_stream", file, token=socket.token)
            assert answer.status_code == 202
            # The answer comes before the handler has run, which no event waits for.
            await socket.send(f"{COUNTER}.who")
            fired = await socket.send(f"{COUNTER}.count_up")
            assert fired.vars["count"] == 4 + 3

    async def test_first_event_that_is_none_is_not_answered(self, application, caplog):
        async with RawClient(application) as raw:
            with pytest.raises(TimeoutError):
                async with raw.connect(first={"payload": 1}, timeout=0.2):
                    pass

    async def test_application_without_lifespan_is_served(self, application):
        async def bare(scope, receive, send):
            if scope["type"] != "websocket":
                raise ValueError(scope["type"])
            await receive()
            await send({"type": "websocket.http.response.start", "status": 418, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b""})

        async with RawClient(bare) as raw, raw.connect() as socket:
            assert socket.status == 418

    async def test_application_that_does_not_start_says_why(self):
        async def broken(scope, receive, send):
            await receive()
            await send({"type": "lifespan.startup.failed", "message": "no database"})

        with pytest.raises(RxBridgeError, match="no database"):
            async with RawClient(broken):
                pass

    async def test_application_that_does_not_stop_says_why(self):
        async def broken(scope, receive, send):
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.failed", "message": "still busy"})

        with pytest.raises(RxBridgeError, match="still busy"):
            async with RawClient(broken):
                pass


@pytest.mark.django_db(transaction=True)
class TestIdentity:
    async def test_a_stolen_token_is_not_its_owner(self, application):
        ada = await User.objects.acreate_user("ada")
        cookies = await signed_in(ada)
        async with RawClient(application) as raw, raw.connect(cookies=cookies) as victim:
            assert (await victim.send(f"{COUNTER}.who")).vars["name"] == "ada"
            async with raw.connect(token=victim.token) as thief:
                assert thief.token != victim.token
                assert (await thief.send(f"{COUNTER}.who")).vars.get("name", "") == ""
        async with RawClient(application) as raw, raw.connect(token=victim.token) as thief:
            assert thief.token == victim.token
            assert (await thief.send(f"{COUNTER}.who")).vars["name"] == ""

    async def test_upload_is_made_by_whose_cookies_came_with_it(self, application):
        ada = await User.objects.acreate_user("ada")
        cookies = await signed_in(ada)
        async with RawClient(application) as raw, raw.connect(cookies=cookies) as tab:
            file = ("a.txt", b"0123")
            answer = await raw.upload(f"{COUNTER}.upload", file, token=tab.token, cookies=cookies)
            assert '"ada"' in answer.text
            answer = await raw.upload(f"{COUNTER}.upload", file, token=tab.token)
            assert (answer.status_code, answer.text) == (200, "")
            answer = await raw.upload(
                f"{COUNTER}.upload", file, token=tab.token, origin="https://evil.example"
            )
            assert answer.status_code == 403


class TransactionTests(TestCase):
    """Events of a raw socket work in the test's transaction, too."""

    async def test_user_of_the_test_signs_in(self):
        ada = await User.objects.acreate_user("ada")
        cookies = await signed_in(ada)
        with served() as application:
            async with RawClient(application) as raw, raw.connect(cookies=cookies) as socket:
                fired = await socket.send(f"{COUNTER}.who_async")
        assert fired.vars["name"] == "ada"
