"""Two workers behind one address, with Redis: it is seen in the other worker's tabs too."""

import contextlib
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from playwright.sync_api import Locator, expect

from rxbridge.asgi.connections import GRACE
from tests.browser.balancer import SOCKET, Balancer
from tests.browser.running import NOBODY, Club, Guest, Tab, run_workers, wait_for
from tests.browser.test_tabs import change_password, check_that_it_follows

Arrive = Callable[[Club], Guest]

pytestmark = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="redis-server is not installed"
)


class Workers:
    """The club on two workers, and the balancer before them."""

    def __init__(self, club: Club, balancer: Balancer) -> None:
        self.club = club
        self.balancer = balancer

    def route(self, *, sockets: int, fetches: int) -> None:
        """Have one worker take new sockets, and another what redeems a ticket."""

        def choose(method: str, path: str) -> int:
            if method == SOCKET:
                return sockets
            return fetches if path == "/_cookies" else self.balancer.take_turns(method, path)

        self.balancer.choose = choose

    def open(self, guest: Guest, path: str, *, worker: int) -> Tab:
        """Open a tab with its socket on a worker."""
        self.route(sockets=worker, fetches=1 - worker)
        tab = guest.open(path)
        tab.page.get_by_role("button").first.wait_for()
        return tab

    def served(self, method: str, path: str) -> list[int]:
        """Return who served such requests."""
        seen = self.balancer.served
        return [each.worker for each in seen if each.method == method and each.path == path]


@pytest.fixture(scope="module")
def running(members: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    with run_workers(members, tmp_path_factory.mktemp("workers")) as (club, balancer):
        yield Workers(club, balancer)


@pytest.fixture
def workers(running: Workers) -> Workers:
    running.balancer.served.clear()
    running.balancer.choose = running.balancer.take_turns
    return running


def test_ticket_of_one_worker_is_redeemed_at_the_other(workers: Workers, arrive: Arrive) -> None:
    guest = arrive(workers.club)
    tab = workers.open(guest, "/login", worker=0)
    workers.route(sockets=0, fetches=1)
    tab.sign_in("ada")
    tab.shows("ada")
    tab.acts_as("ada")
    assert set(workers.served(SOCKET, "/_event/")) == {0}
    assert set(workers.served("POST", "/_cookies")) == {1}
    assert set(workers.served("PUT", "/_cookies")) == {1}
    cookie = guest.cookie()
    assert cookie is not None
    assert cookie["httpOnly"]
    for worker in (0, 1):
        second = workers.open(guest, "/", worker=worker)
        second.shows("ada")
        second.acts_as("ada")


def test_what_the_browser_got_elsewhere_is_not_replaced_by_a_hand_off(
    workers: Workers, arrive: Arrive
) -> None:
    guest = arrive(workers.club)
    tab = workers.open(guest, "/", worker=0)
    workers.balancer.choose = lambda _method, path: int(path == "/basket/")
    # The page's own hand-off, of the CSRF token, would tell of what comes now.
    tab.page.wait_for_function("window.rxbridgeHandoff")
    tab.page.evaluate("window.rxbridgeHandoff")
    tab.page.evaluate("fetch('/basket/')")
    session = wait_for(lambda: guest.session)
    tab.page.evaluate("document.cookie = 'tz=Asia/Tokyo; Path=/'")
    # The event knows of neither, and begins a session of its own.
    with tab.page.expect_response("**/_cookies") as redeemed:
        tab.page.get_by_test_id("keep").click()
    assert redeemed.value.status == 204
    assert workers.served("GET", "/basket/") == [1]
    # A click in the moment in which the tab comes back with the cookies would be lost.
    tab.page.wait_for_timeout(1000 * (GRACE + 0.2))
    tab.click_for("recall", "kept", "nothing")
    assert guest.session == session
    assert guest.cookie("tz") is not None
    tab.page.get_by_test_id("keep").click()
    tab.click_for("recall", "kept", "a cart")
    assert tab.page.evaluate("fetch('/basket/').then((answer) => answer.json())") == {
        "basket": "lamp",
        "kept": "a cart",
    }
    assert guest.session == session


def test_login_is_seen_in_a_tab_of_the_other_worker(workers: Workers, arrive: Arrive) -> None:
    guest = arrive(workers.club)
    other = workers.open(guest, "/", worker=1)
    other.shows(NOBODY)
    other.acts_as(NOBODY)
    one = workers.open(guest, "/login", worker=0)
    one.sign_in("ada")
    check_that_it_follows(other, "ada", time.monotonic())
    one.shows("ada")
    one.acts_as("ada")


@pytest.mark.parametrize("end", ["event", "admin", "password", "disconnect"])
def test_end_of_a_session_is_seen_in_a_tab_of_the_other_worker(
    workers: Workers, arrive: Arrive, end: str
) -> None:
    club, guest = workers.club, arrive(workers.club)
    name = "carol" if end == "password" else "bob"
    one = workers.open(guest, "/login", worker=0)
    one.sign_in(name)
    one.shows(name)
    other = workers.open(guest, "/", worker=1)
    other.shows(name)
    other.acts_as(name)
    if end == "event":
        one.leave()
    elif end == "admin":
        one.go("/admin/")
        workers.balancer.choose = lambda method, path: 1 if method == SOCKET else 0
        one.page.click("#logout-form button", no_wait_after=True)
    elif end == "password":
        elsewhere = workers.open(arrive(club), "/login?next=/password-change", worker=0)
        elsewhere.sign_in(name)
        change_password(elsewhere, "carol-pass", "another-pass-1")
    else:
        workers.balancer.choose = lambda method, path: 1 if method == SOCKET else 0
        guest.context.request.get(f"{club.url}/disconnect?user={club.id_of(name)}")
    check_that_it_follows(other, NOBODY, time.monotonic())
    assert not club.has_session(guest.session)


def test_workers_that_take_turns_serve_a_visit(workers: Workers, arrive: Arrive) -> None:
    guest = arrive(workers.club)
    for _ in range(2):
        one = guest.open("/login")
        one.sign_in("ada")
        one.shows("ada")
        two = guest.open("/")
        two.shows("ada")
        two.acts_as("ada")
        two.leave()
        check_that_it_follows(one, NOBODY, time.monotonic())
        two.shows(NOBODY)
    assert {each.worker for each in workers.balancer.served} == {0, 1}


def test_tab_of_a_killed_worker_goes_on_at_the_other_with_all_it_has_counted(
    members: Path, tmp_path: Path, arrive: Arrive
) -> None:
    with run_workers(members, tmp_path) as (club, balancer):
        workers = Workers(club, balancer)
        guest = arrive(club)
        tab = workers.open(guest, "/login", worker=0)
        tab.sign_in("ada")
        tab.shows("ada")
        seen = tab.page.get_by_test_id("seen")
        click(tab, 100)
        expect(seen).to_have_text("ada 100")
        balancer.served.clear()
        workers.route(sockets=1, fetches=1)
        os.kill(club.servers[0].process.pid, signal.SIGKILL)
        # Those a page sends before it knows that its socket is dead are lost, as they are with
        # plain Reflex; those that come without a connection wait for one.
        click(tab, 100)
        expect(seen).not_to_have_text("ada 100", timeout=15_000)
        click(tab, 200 - int(settled(seen).removeprefix("ada ")))
        expect(seen).to_have_text("ada 200")
        tab.shows("ada")
        assert workers.served(SOCKET, "/_event/") == [1]
        guest.context.close()


@pytest.mark.parametrize("back_at", [0, 1], ids=["same worker", "other worker"])
def test_tab_whose_network_died_in_silence_comes_back_to_what_it_has_counted(
    workers: Workers, arrive: Arrive, back_at: int
) -> None:
    guest = arrive(workers.club)
    tab = workers.open(guest, "/login", worker=0)
    tab.sign_in("ada")
    tab.shows("ada")
    seen = tab.page.get_by_test_id("seen")
    click(tab, 3)
    expect(seen).to_have_text("ada 3")
    workers.balancer.served.clear()
    workers.route(sockets=back_at, fetches=back_at)
    workers.balancer.lose_network()
    wait_for(lambda: workers.served(SOCKET, "/_event/") == [back_at])
    click(tab, 1)
    expect(seen).to_have_text("ada 4")
    guest.context.close()


@contextlib.contextmanager
def refusing(redis_url: str) -> Iterator[None]:
    """Have Redis refuse whoever comes, and end the connections it has."""
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("requirepass", "away")
        for kind in ("normal", "pubsub"):
            client.client_kill_filter(_type=kind, skipme=True)
        yield
        client.config_set("requirepass", "")


def test_redis_that_is_away_is_one_toast_and_all_resumes(workers: Workers, arrive: Arrive) -> None:
    tab = workers.open(arrive(workers.club), "/", worker=0)
    seen = tab.page.get_by_test_id("seen")
    # The page's own hand-off, of the CSRF token, would be a 500 while Redis is away.
    tab.page.wait_for_function("window.rxbridgeHandoff")
    tab.page.evaluate("window.rxbridgeHandoff")
    click(tab, 1)
    expect(seen).to_have_text(re.compile(r" 1$"))
    with refusing(workers.club.redis_url):
        click(tab, 3)
        expect(tab.page.get_by_text("An error occurred.")).to_have_count(1)
        expect(seen).to_have_text(re.compile(r" 1$"))
    click(tab, 1)
    # Of the three, those that Redis was back for count.
    expect(seen).to_have_text(re.compile(r" [2-4]$"))
    shown = settled(seen)
    tab.page.reload()
    expect(seen).to_have_text(shown)


def settled(output: Locator) -> str:
    """Return a text once it stays the same."""
    before, now = "", output.inner_text()
    while now != before:
        output.page.wait_for_timeout(500)
        before, now = now, output.inner_text()
    return now


def click(tab: Tab, times: int) -> None:
    """Click as fast as the page takes it."""
    tab.page.evaluate(
        """async (times) => {
            const button = document.querySelector("[data-testid=who]")
            for (let click = 0; click < times; click++) {
                button.click()
                await new Promise((resolve) => setTimeout(resolve))
            }
        }""",
        times,
    )
