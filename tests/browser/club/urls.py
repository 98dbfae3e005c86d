"""The URLs Django answers: the admin, and a view that gives a visitor a session."""

from django.contrib import admin
from django.http import JsonResponse
from django.urls import path


def basket(request):
    """Put a lamp into the basket; tell what is in the session."""
    request.session["basket"] = "lamp"
    return JsonResponse(dict(request.session))


urlpatterns = [path("admin/", admin.site.urls), path("basket/", basket)]
