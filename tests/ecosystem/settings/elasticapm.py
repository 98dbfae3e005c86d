"""elastic-apm, which puts its middleware first by itself; what it sends is kept here."""

from elasticapm.transport.base import Transport as Base

from tests.ecosystem.settings import apps, middleware
from tests.settings import *  # noqa: F403

INSTALLED_APPS = apps("elasticapm.contrib.django")
MIDDLEWARE = middleware()
ROOT_URLCONF = "tests.ecosystem.test_elasticapm"


class Transport(Base):
    sent: list[tuple[str, dict]] = []

    def start_thread(self, pid=None):
        """Send nothing anywhere."""

    def close(self):
        """There is nothing to close."""

    def queue(self, event_type, data, flush=False):
        self.sent.append((event_type, data))


ELASTIC_APM = {
    "SERVICE_NAME": "shop",
    "TRANSPORT_CLASS": "tests.ecosystem.settings.elasticapm.Transport",
    "CENTRAL_CONFIG": False,
    "CLOUD_PROVIDER": "none",
    "METRICS_INTERVAL": "0ms",
    "INSTRUMENT": False,
}
