"""The URLs Django answers; everything else is a page of the Reflex app."""

from django.contrib import admin
from django.contrib.auth.views import LogoutView
from django.urls import include, path

from accounts.access import open_to_everybody

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/sign-out/", open_to_everybody(LogoutView.as_view()), name="sign-out"),
    path("api/", include("catalogue.urls")),
]
