"""A synchronous middleware that waits, as one that asks another service does."""

import os
import time

SECONDS = float(os.environ.get("BENCH_SLEEP") or 0)


class SleepingMiddleware:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        time.sleep(SECONDS)
        return self.get_response(request)
