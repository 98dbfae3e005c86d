"""A user of reflex-locust-ws, in a process of its own, which gevent patches.

``python -m tests.ecosystem.load URL STATE`` fires handlers, and prints what went wrong with each.
"""

import sys

from locust.env import Environment  # Patches, before anything else is imported.
from reflex_locust_ws.user import ReflexWebSocketUser


class Visitor(ReflexWebSocketUser):
    host = sys.argv[1]


if __name__ == "__main__":
    environment = Environment(user_classes=[Visitor])
    environment.events.request.add_listener(lambda name, exception, **_: print(name, exception))
    visitor = Visitor(environment)
    visitor.on_start()
    for handler in ("count_up", "who"):
        visitor.emit_and_wait(locust_name=handler, event_name=f"{sys.argv[2]}.{handler}")
    visitor.on_stop()
