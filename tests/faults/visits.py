"""Visit: a real browser whose visitor clicks while something fails."""

import contextlib
import itertools
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from playwright.sync_api import Error, Page

from tests.faults.workers import Stage

EVERY = 0.15
"""Seconds from click to click."""
RESUMED = 40.0
"""Seconds a page has to count again once the fault is over."""

_CLICK = """\
() => {
  const by = id => document.querySelector(`[data-testid=${id}]`)
  by("who")?.click()
  const toasts = document.querySelectorAll("[data-sonner-toast]")
  const told = Array.from(toasts, each => each.innerText)
  return [by("who") !== null, by("seen")?.innerText ?? "", told]
}"""


@dataclass
class Outcome:
    """What a visitor saw who clicked all the while."""

    clicks: int = 0
    counts: list[int] = field(default_factory=list)
    toasts: set[str] = field(default_factory=set)
    users: set[str] = field(default_factory=set)
    longest: float = 0.0
    stored: int = -1

    @property
    def taken_back(self) -> int:
        """By how much the number that is shown fell at most."""
        return max([0, *(before - after for before, after in itertools.pairwise(self.counts))])

    def __str__(self) -> str:
        """Tell it in a cell of the table."""
        lost = self.clicks - self.counts[-1]
        told = [f"{lost} of {self.clicks} clicks lost" if lost else "nothing lost"]
        told += [f"**{self.taken_back} taken back**"] if self.taken_back else []
        told += [f"**stored {self.stored}**"] if self.stored != self.counts[-1] else []
        told += [f"**shown to {sorted(self.users)}**"] if self.users != {"ada"} else []
        told += [f"“{each}”" for each in sorted({toast.split(": ")[0] for toast in self.toasts})]
        return f"{self.longest:.1f} s; " + "; ".join(told)


class Visit:
    """A visitor who has signed in and clicks."""

    def __init__(self, page: Page, stage: Stage) -> None:
        self.page = page
        self.stage = stage
        self.offline = False
        self.outcome = Outcome()
        self._changed = time.monotonic()

    def sign_in(self) -> None:
        self.page.goto(f"{self.stage.balancer.url}/login")
        self.page.locator("form button[type=submit]:enabled").wait_for()  # The page listens.
        self.page.fill("#login-username", "ada")
        self.page.fill("#login-password", "ada-pass")
        self.page.click("form button[type=submit]")
        self.page.get_by_test_id("username").get_by_text("ada").wait_for()
        self._changed = time.monotonic()

    def click(self) -> None:
        """Click, if the page is there, and note what it shows."""
        outcome = self.outcome
        self.page.context.set_offline(self.offline)
        with contextlib.suppress(Error):
            clicked, seen, toasts = self.page.evaluate(_CLICK)
            outcome.clicks += clicked
            outcome.toasts.update(re.sub(r"\s+", " ", each) for each in toasts)
            user, _, count = seen.partition(" ")
            if count and int(count) != (outcome.counts or [0])[-1]:
                now = time.monotonic()
                outcome.longest = max(outcome.longest, now - self._changed)
                outcome.counts.append(int(count))
                outcome.users.add(user)
                self._changed = now
        time.sleep(EVERY)

    def suffer(self, fault: Callable[[Stage, "Visit"], object]) -> Outcome:
        """Click before, during and after a fault."""
        while len(self.outcome.counts) < 8:
            self.click()
        failing = threading.Thread(target=fault, args=(self.stage, self))
        failing.start()
        while failing.is_alive():
            self.click()
        until, enough = time.monotonic() + RESUMED, len(self.outcome.counts) + 8
        while time.monotonic() < until and len(self.outcome.counts) < enough:
            self.click()
        self._read_until_settled()
        self.page.reload()
        self.page.get_by_test_id("seen").get_by_text(re.compile(r"\d")).wait_for()
        self.outcome.stored = self._shown()
        return self.outcome

    def _read_until_settled(self) -> None:
        before = -1
        while (now := self._shown()) != before:
            before = now
            time.sleep(1)
        self.outcome.counts.append(now)

    def _shown(self) -> int:
        return int(self.page.get_by_test_id("seen").inner_text().partition(" ")[2])
