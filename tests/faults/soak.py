"""The soak: tabs that do all a tab does, while workers are killed and restarted at random."""

import argparse
import asyncio
import contextlib
import random
import signal
import time

import redis

from tests.browser.running import MEMBERS
from tests.faults.tabs import Tab
from tests.faults.workers import Worker, run_stage
from tests.servers import Kind, ServerFailed


class Soak:
    """So many tabs for so many seconds, and what was ended when."""

    def __init__(self, workers: list[Worker], *, until: float, every: float) -> None:
        self.workers = workers
        self.until = until
        self.every = every
        self.ends: list[tuple[float, signal.Signals]] = []
        self.duplicates = 0
        self.shared = 0

    async def live(self, tab: Tab) -> None:
        """Do at random what tabs do."""
        await asyncio.sleep(random.random() * 5)
        async with tab.open():
            while time.monotonic() < self.until:
                await asyncio.sleep(random.uniform(0.3, 2.5))
                act = random.choices(
                    (self.click, self.burst, self.reconnect, self.sleep, self.duplicate, self.sign),
                    (70, 8, 6, 4, 4, 8),
                )[0]
                tab.doing = act.__name__
                await act(tab)

    async def click(self, tab: Tab) -> None:
        await tab.click()

    async def burst(self, tab: Tab) -> None:
        await tab.click(random.randint(2, 8))

    async def reconnect(self, tab: Tab) -> None:
        """Lose the socket amid a click."""
        await tab.click()
        clicking = asyncio.create_task(tab.click())
        await asyncio.sleep(random.random() / 20)
        await tab.leave()
        await clicking

    async def sleep(self, tab: Tab) -> None:
        await tab.click()
        if tab.is_open:
            asleep = tab.fall_asleep()
            await asyncio.sleep(random.uniform(1, 8))
            await tab.come_back()
            with contextlib.suppress(Exception):
                await asleep.aclose()

    async def duplicate(self, tab: Tab) -> None:
        """Duplicate the tab as a browser does, with its token and cookies."""
        other = Tab(tab.url)
        other.token, other.cookies = tab.token, tab.cookies
        await tab.click()
        had_socket = tab.is_open
        async with other.open():
            self.duplicates += 1
            if had_socket and tab.is_open and other.token == tab.token:
                self.shared += 1
                return
            await other.click()

    async def sign(self, tab: Tab) -> None:
        if tab.user:
            await tab.sign_out()
        else:
            await tab.sign_in(random.choice(MEMBERS))

    async def end_workers(self) -> None:
        """Kill or stop a worker every so often, and start it again."""
        while time.monotonic() + self.every < self.until:
            await asyncio.sleep(random.uniform(0.8, 1.2) * self.every)
            worker = random.choice(self.workers)
            how = random.choice((signal.SIGKILL, signal.SIGTERM))
            self.ends.append((time.monotonic(), how))
            await asyncio.to_thread(worker.end, how)
            with contextlib.suppress(ServerFailed):
                await asyncio.to_thread(worker.start)

    async def weigh(self) -> None:
        while True:
            await asyncio.sleep(5)
            for worker in self.workers:
                worker.weigh()

    def since_end(self, at: float) -> str:
        """Tell how long before a moment a worker was ended, and how."""
        before = [f"{at - when:.1f} s after a {how.name}" for when, how in self.ends if when <= at]
        return " and ".join(before[-2:]) or "before any worker had ended"


async def soak(kind: Kind, tabs: int, seconds: float, every: float) -> bool:
    """Run a soak and print its report; true if nothing needs an explanation."""
    with run_stage(kind, 2) as stage:
        workers = stage.workers
        run = Soak(workers, until=time.monotonic() + seconds, every=every)
        visitors = [Tab(stage.balancer.url) for _ in range(tabs)]
        weighing = asyncio.create_task(run.weigh())
        ending = asyncio.create_task(run.end_workers())
        living = [asyncio.create_task(run.live(tab)) for tab in visitors]
        results = await asyncio.gather(*living, return_exceptions=True)
        await ending
        weighing.cancel()
        await asyncio.sleep(2)
        wrong = []
        for number, tab in enumerate(visitors):
            shown, tab.doing = tab.shown, "looked at the end"
            async with tab.open():
                pass
            if tab.shown < shown:
                lost = f", {tab.answers_lost} answers lost" if tab.answers_lost else ""
                wrong.append(f"tab {number}: shown {shown}, stored {tab.shown}{lost}")
        keys = redis.Redis.from_url(stage.redis_url)
        print(f"{kind}: {tabs} tabs, {seconds:.0f} s, {len(run.ends)} ends of workers")
        print(f"clicks sent {sum(tab.sent for tab in visitors)}")
        print(f"clicks acknowledged {sum(tab.acknowledged for tab in visitors)}")
        print(f"sockets opened {sum(tab.came_back for tab in visitors)}")
        print(f"duplicates {run.duplicates}, of which took their tab's token {run.shared}")
        print(f"error toasts {sum(len(tab.errors) for tab in visitors)}")
        for tab in visitors:
            for text in sorted(set(tab.errors))[:3]:
                print(f"  {text}")
        lost = [each for tab in visitors for each in tab.taken_back]
        print(f"taken back {len(lost)}")
        for each in lost:
            print(f"  {each}, {run.since_end(each.at)}")
        print(f"counters at the end that are not what was shown: {wrong}")
        print(f"tabs that broke: {[each for each in results if each is not None]}")
        print(f"Redis: {keys.dbsize()} keys, {keys.info('memory')['used_memory_human']}")
        for worker in workers:
            for life in worker.memory:
                print(f"  a worker's memory, every 5 s, MB: {life}")
        return not (lost or wrong)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", type=float, nargs="?", default=1200)
    parser.add_argument("--tabs", type=int, default=100)
    parser.add_argument("--server", default="uvicorn", choices=["uvicorn", "granian"])
    parser.add_argument("--every", type=float, default=30, help="seconds from one end to the next")
    options = parser.parse_args()
    asyncio.run(soak(options.server, options.tabs, options.seconds, options.every))


if __name__ == "__main__":
    main()
