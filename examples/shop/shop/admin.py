"""The admin site of the shop: staff work here, and everybody signs in here."""

from django.contrib.admin import AdminSite
from django.contrib.auth.forms import AuthenticationForm


class ShopAdminSite(AdminSite):
    """An admin whose sign-in page lets customers in too; its pages stay for staff."""

    site_header = "Kiln & Oak"
    site_title = "Kiln & Oak"
    index_title = "Behind the counter"
    login_form = AuthenticationForm
    login_template = "admin/sign_in.html"
