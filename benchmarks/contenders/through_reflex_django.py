"""reflex-django 4 in its default mode: the whole chain before each event, all mirrors on.

It is set up as its documentation says: a Reflex project whose ``rxconfig.py`` has the plugin with
the profile "integrated", its app in ``INSTALLED_APPS``, its middleware last. It looks for the app
in the working directory, so the project is written there, as two files that lead back here.
A session is saved by the handler, since the chain is over before the handler begins.
"""

import itertools
import os
import sys
from pathlib import Path

from benchmarks.contenders.worker import serve

RXCONFIG = """
import reflex as rx
from reflex_django.plugins import ReflexDjangoPlugin

plugin = ReflexDjangoPlugin(
    config={"settings_module": "benchmarks.contenders.settings", "profile": "integrated"}
)
config = rx.Config(app_name="clicks", plugins=[plugin])
"""
APP = """
from benchmarks.contenders.through_reflex_django import make_app

app, handlers = make_app()
"""


def write_project():
    """Make the working directory a Reflex project, before anything reads its configuration."""
    project = Path("reflex_django_project")
    (project / "clicks").mkdir(parents=True, exist_ok=True)
    (project / "rxconfig.py").write_text(RXCONFIG)
    (project / "clicks" / "clicks.py").write_text(APP)
    os.chdir(project)
    sys.path.insert(0, os.getcwd())


def contender():
    from reflex_base.config import get_config
    from reflex_django.bootstrap.app_setup import apply_reflex_plugins_to_app
    from reflex_django.runtime.app_factory import load_app_factory

    from benchmarks.contenders.tabs import Tabs, cookies_in_headers

    get_config()
    app = load_app_factory()
    apply_reflex_plugins_to_app(app)
    return Tabs(app, sys.modules["clicks.clicks"].handlers, cookies_in_headers)


def make_app():
    import reflex as rx
    from django.contrib.auth.models import User
    from reflex_django.states import AppState

    number = itertools.count()

    class Clicks(AppState):
        clicks: int = 0
        who: str = ""

        @rx.event
        async def read(self):
            self.clicks += 1
            self.who = self.request.user.get_username()

        @rx.event
        async def session_write(self):
            self.clicks += 1
            self.request.session["clicks"] = next(number)
            await self.request.session.asave()
            self.who = self.request.user.get_username()

        @rx.event
        async def orm(self):
            self.clicks += 1
            user = self.request.user
            await User.objects.filter(pk=user.pk).aupdate(first_name="clicked")
            self.who = user.get_username()

    app = rx.App()
    app.add_page(lambda: rx.text(Clicks.who, Clicks.username), route="/")
    return app, {"read": Clicks.read, "session": Clicks.session_write, "orm": Clicks.orm}


if __name__ == "__main__":
    os.environ["BENCH_REFLEX_DJANGO"] = "1"
    write_project()
    serve(contender)
