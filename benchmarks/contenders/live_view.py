"""The view of djust that ``bench_sockets.py`` measures."""

from django.contrib.auth.models import User
from djust import LiveView, event_handler

from benchmarks.contenders.sites import number


class Clicks(LiveView):
    template = "<div dj-root><p>{{ clicks }} of {{ who }}</p></div>"
    login_required = True

    def mount(self, request, **_):
        self.clicks = 0
        self.who = request.user.get_username()

    @event_handler
    def read(self, **_):
        self.clicks += 1

    @event_handler
    def session(self, **_):
        self.clicks += 1
        self.request.session["clicks"] = next(number)
        self.request.session.save()

    @event_handler
    def orm(self, **_):
        self.clicks += 1
        User.objects.filter(pk=self.request.user.pk).update(first_name="clicked")
