"""The shop's admin takes the place of Django's own."""

from django.contrib.admin.apps import AdminConfig


class ShopAdminConfig(AdminConfig):
    """Django's admin, with the shop's site as the default one."""

    default_site = "shop.admin.ShopAdminSite"
