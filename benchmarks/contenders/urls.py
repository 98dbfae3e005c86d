"""The views that stand for the three events where Django answers HTTP."""

from django.contrib.auth.models import User
from django.http import HttpResponse
from django.urls import path


def read(request):
    return HttpResponse(request.user.get_username())


def session(request):
    request.session["clicks"] = request.session.get("clicks", 0) + 1
    return HttpResponse(request.user.get_username())


def orm(request):
    User.objects.filter(pk=request.user.pk).update(first_name="clicked")
    return HttpResponse(request.user.get_username())


urlpatterns = [path("read", read), path("session", session), path("orm", orm)]
