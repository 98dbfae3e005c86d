"""What every contender's process is made of: it does what the driver asks, line by line.

A line in is a command as JSON, a line out its answer. A contender has ``open(visitors)``,
``fire(tab, event)`` and ``close()``; ``fire`` returns the name of the user the event ran for.
Those of the synchronous floor are plain functions, all others coroutine functions.
"""

import asyncio
import contextlib
import gc
import inspect
import json
import os
import sys
import time
import tracemalloc
from collections import Counter
from concurrent.futures import Future


class Visitor:
    """A signed-in user in a browser tab."""

    def __init__(self, username, cookie):
        self.username = username
        self.cookie = cookie


def serve(make_contender):
    """Answer commands until the driver closes standard input."""
    answers = _private_stdout()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.contenders.settings")
    import django

    django.setup()
    worker = Worker(make_contender())
    loop = asyncio.new_event_loop()
    for line in sys.stdin:
        command = json.loads(line)
        method = getattr(worker, command.pop("do"))
        try:
            answer = method(**command)
            if inspect.isawaitable(answer):
                answer = loop.run_until_complete(answer)
        except Exception as error:
            import traceback

            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    # Threads and tasks of a contender that was stopped in the middle are not waited for.
    os._exit(0)


def _private_stdout():
    """Keep standard output for the answers; what libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


class Worker:
    """Runs one contender's events and measures them."""

    def __init__(self, contender):
        self.contender = contender
        self.is_async = inspect.iscoroutinefunction(contender.fire)
        self.visitors = []

    async def open(self, visitors):
        """Open a tab for each visitor, beside those that are open."""
        visitors = [Visitor(*each) for each in visitors]
        self.visitors += visitors
        await _maybe_await(self.contender.open(visitors))
        return {}

    async def close(self):
        await _maybe_await(self.contender.close())
        return {}

    def run(self, event, seconds, tabs=None, limit=None, weights=None):
        """Have each tab fire ``event`` again and again for so many seconds; return the times.

        ``limit`` ends a tab after so many events; ``weights`` mixes other events in, one of
        each so many.
        """
        tabs = len(self.visitors) if tabs is None else tabs
        gc.collect()
        fire = self._clicks(event, weights or {})
        if self.is_async:
            return self._run_async(fire, seconds, tabs, limit)
        return self._run_sync(fire, seconds, tabs, limit)

    def count(self, event, times=10):
        """Return thread hops, thread jobs and SQL statements per event, sequentially."""

        async def counted():
            with counting() as counts:
                for number in range(times):
                    await self._expect(number % len(self.visitors), event)
                await asyncio.sleep(0.05)
            return {name: value / times for name, value in counts.items()}

        if self.is_async:
            return counted()
        with counting() as counts:
            for number in range(times):
                self._expect_sync(number % len(self.visitors), event)
        return {name: value / times for name, value in counts.items()}

    def trace(self):
        """Begin to trace memory; it slows everything down."""
        tracemalloc.start()
        return {}

    def memory(self):
        """Return bytes of Python objects alive (when traced) and of the process."""
        for _ in range(3):
            gc.collect()
        return {"traced": tracemalloc.get_traced_memory()[0], "rss": _rss()}

    def top(self, count=15):
        """Return where most memory was allocated, to look into a figure."""
        statistics = tracemalloc.take_snapshot().statistics("lineno")
        return {"top": [str(each) for each in statistics[:count]]}

    async def profile(self, event, seconds, tabs=None, sort="tottime", lines=45, only=None):
        """Run under cProfile and return its table; only the event loop's thread is seen."""
        import cProfile
        import io
        import pstats

        profile = cProfile.Profile()
        profile.enable()
        result = await self._run_async(
            self._clicks(event, {}), seconds, tabs or len(self.visitors), None
        )
        profile.disable()
        out = io.StringIO()
        pstats.Stats(profile, stream=out).sort_stats(sort).print_stats(*filter(None, [only, lines]))
        return {"table": out.getvalue(), "events": result["events"]}

    def _clicks(self, event, weights):
        """Return what names the event a tab fires as its so-manieth."""

        def click(number):
            for other, every in weights.items():
                if number % every == every - 1:
                    return other
            return event

        return click

    async def _run_async(self, click, seconds, tabs, limit):
        taken, errors = [], Counter()
        clock = time.perf_counter
        start, cpu = clock(), time.process_time()
        end = start + seconds

        async def one_tab(tab):
            number = 0
            while (limit is None and clock() < end) or (limit is not None and number < limit):
                before = clock()
                try:
                    await self._expect(tab, click(number + tab))
                except Exception as error:
                    errors[f"{type(error).__name__}: {str(error)[:80]}"] += 1
                    if errors.total() > 10_000:
                        return
                else:
                    taken.append(clock() - before)
                number += 1

        await asyncio.gather(*map(one_tab, range(tabs)))
        return _summary(taken, clock() - start, time.process_time() - cpu, errors)

    def _run_sync(self, click, seconds, tabs, limit):
        taken = []
        clock = time.perf_counter
        start, cpu = clock(), time.process_time()
        number = 0
        while clock() < start + seconds and (limit is None or number < limit * tabs):
            before = clock()
            self._expect_sync(number % tabs, click(number))
            taken.append(clock() - before)
            number += 1
        return _summary(taken, clock() - start, time.process_time() - cpu, Counter())

    async def _expect(self, tab, event):
        _check(await self.contender.fire(tab, event), self.visitors[tab])

    def _expect_sync(self, tab, event):
        _check(self.contender.fire(tab, event), self.visitors[tab])


def _check(username, visitor):
    if username not in (visitor.username, None):
        msg = f"The event of {visitor.username!r} ran for {username!r}"
        raise RuntimeError(msg)


def _summary(taken, seconds, cpu, errors):
    taken.sort()
    return {
        "events": len(taken),
        "seconds": seconds,
        "rate": len(taken) / seconds,
        "cpu": cpu / len(taken) if taken else None,
        "p50": _quantile(taken, 0.5),
        "p99": _quantile(taken, 0.99),
        "max": taken[-1] if taken else None,
        "errors": dict(errors),
        "rss": _rss(),
        "threads": _threads(),
    }


def _quantile(values, share):
    return values[min(int(len(values) * share), len(values) - 1)] if values else None


@contextlib.contextmanager
def counting():
    """Count hops from the loop to a thread, jobs handed to threads, and SQL statements."""
    from django.db.backends.utils import CursorWrapper

    counts = {"hops": 0, "jobs": 0, "queries": 0}
    loop_class = asyncio.BaseEventLoop
    originals = (
        (loop_class, "run_in_executor", "hops"),
        (Future, "set_running_or_notify_cancel", "jobs"),
        (CursorWrapper, "execute", "queries"),
        (CursorWrapper, "executemany", "queries"),
    )
    kept = [(owner, name, getattr(owner, name)) for owner, name, _ in originals]
    for owner, name, what in originals:
        setattr(owner, name, _counted(getattr(owner, name), counts, what))
    try:
        yield counts
    finally:
        for owner, name, original in kept:
            setattr(owner, name, original)


def _counted(function, counts, what):
    def call(*args, **kwargs):
        counts[what] += 1
        return function(*args, **kwargs)

    return call


async def _maybe_await(result):
    return await result if inspect.isawaitable(result) else result


def _status(field):
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith(field))
    except OSError:
        return 0


def _rss():
    return _status("VmRSS:") * 1024


def _threads():
    return _status("Threads:")
