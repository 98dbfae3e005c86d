"""The guide from reflex-django leaves out no setting and no name, and names only what exists."""

import pkgutil
import re

from tests.servers import REPOSITORY

GUIDE = (REPOSITORY / "docs" / "migrating-from-reflex-django.md").read_text()

# In the packages of 0.2.0 to 1.0.0, or in the documentation of 0.2.8, 0.4.0 and 0.4.6; each with
# REFLEX_DJANGO_ before it.
SETTINGS_UNTIL_1_0 = """
ACTIVATE_LANGUAGE_ON_EVENT ADMIN_PREFIX ALLOWED_HOSTS API_PREFIX APP_FACTORY APP_NAME AUTH
AUTH_AUTO_SYNC AUTO_DISCOVER_PAGES AUTO_EXPORT_ON_START AUTO_LOAD_CONTEXT AUTO_MOUNT AUTO_PLUGIN
AUTO_REDIRECT_FROM_MIDDLEWARE AUTO_SETTINGS BACKEND_HOST BACKEND_PORT BACKEND_RELOAD COMPILE_DEV
CONTEXT_ATTR CONTEXT_PROCESSORS CREATE_APP DATABASE_URL DEBUG DEV_PROXY DJANGO_PREFIX
EVENT_MIDDLEWARE_SKIP EVENT_POST_FROM_PAYLOAD EXTRA_PREFIXES FRONTEND_HOST FRONTEND_PORT
FRONTEND_PRESENT HTTP_HOST HTTP_LOG_LEVEL HTTP_PORT HTTP_SUBPROCESS HTTP_UPSTREAM I18N_EVENT_BRIDGE
IGNORE_PATHS LOGIN_URL MATERIALIZE_RXCONFIG MIRROR_CSRF MIRROR_LANGUAGE MIRROR_MESSAGES MOUNT_PREFIX
PAGE_APPS PAGE_MODULE PAGE_PACKAGES PLUGIN PLUGINS RENDER_SPA_VIA_TEMPLATE_ENGINE
RESERVED_REFLEX_PREFIXES RUN_MIDDLEWARE_CHAIN RX_CONFIG SECRET_KEY SEPARATE_DEV_PORTS
SERVE_FROM_BUILD SHOW_BUILT_WITH_REFLEX SITE_ORIGIN STATIC_ROOT STATIC_URL URLCONF URL_ROUTING
USER_SNAPSHOT_INCLUDE_GROUPS USE_RXCONFIG_FILE USE_TEMPLATE_CONTEXT_PROCESSORS VITE_VERSION
WATCH_PATHS
"""
# In the packages of 2.0.1 to 4.0.3 or the documentation of the last, and not above; with RX_.
SETTINGS_SINCE_2_0 = """
AUTH_ONLY_MIDDLEWARE BRIDGE_DEBUG CONFIG DEVTOOLS EVENT_BRIDGE_MODE EVENT_BRIDGE_RESOLVER
EVENT_CACHE EVENT_CACHE_FAST_AUTH EVENT_CACHE_KEY_PREFIX EVENT_CACHE_TTL EVENT_METRICS
EVENT_METRICS_LOGGER EVENT_RESOLVE_URL LOGOUT_PRESERVE_SESSION_KEYS PERFORMANCE_PRESET PROXY_SERVER
"""
# What reflex_django exports, from 0.2.0 to 4.0.3, and what its documentation imports or lists.
NAMES = """
ACTION_CREATED ACTION_DELETED ACTION_SAVE ACTION_UPDATED AllowAny AppState AuthPageMeta AuthSettings
BaseAuthPage BaseModelState BasePermission CreateMixin DEFAULT_EVENT_MIDDLEWARE_SKIP DeleteMixin
DispatchMixin DjangoAuthState DjangoContextState DjangoEventBridge DjangoI18nState DjangoUserState
EventInspection EventMiddlewareHandler FieldSpec IsAuthenticated IsStaff ListMixin LiveBroadcaster
LiveListMixin LoginPage LoginRequiredMixin Model ModelCRUDConfig ModelCRUDView ModelChange
ModelListView ModelState ObjectMixin OrmApiMixin PaginationMixin PasswordResetConfirmPage
PasswordResetPage PermissionMixin QueryRecord QuerysetMixin ReflexDjangoAuthError
ReflexDjangoModelSerializer ReflexDjangoPlugin RegisterPage RequestProxy SerializeMixin
SessionAuthConfig StateFieldsMixin UpdateMixin UserScopedMixin _sync_session_cookie_then_nav
add_auth_pages admin_urlpatterns app application asgi_application auser_has_perm auser_in_group
auth_pages auth_routes autoload begin_event_request begin_event_response
bind_django_request_for_handler_state bound_request_summary bridge_request_for_state
build_application build_asgi_application build_django_asgi build_django_outer_application
build_state_fields_from_specs builtin_i18n_context builtin_user_context capture_queries
centered_template collect_inspection_summary collect_reflex_context configure_django create_app
crud_mixin current_csrf_token current_inspection current_language current_messages current_request
current_response current_session current_user devtools_enabled django_cli django_login_required
end_event_request end_event_response error_callout field_names fieldspecs_from_drf_serializer
fieldspecs_from_model_form finish_event_capture get_auth_settings group_required input_100w
install_reflex_django_integration invalidate_event_cache is_live_model live_broadcaster
login_required make_dispatcher model_field_specs model_label page permission_required reflex_mount
reflex_template register_admin register_live_model register_login_page
register_password_reset_confirm_page register_password_reset_page register_register_page request
require_login_user required_field_names resolve_bridge_tier run_middleware_chain
serialize_model_row session_async_save session_auth_mixin session_cookie_clear_js
session_cookie_name_and_suffix session_cookie_set_js staff_required start_event_capture
state_tree_snapshot success_callout superuser_required template unregister_live_model
user_snapshot writable_specs
"""


def rows() -> str:
    """The first column of all tables: what one looks up."""
    return "\n".join(re.findall(r"^\| ([^|]*) \|", GUIDE, re.MULTILINE))


def is_looked_up(name: str) -> bool:
    return re.search(rf"(?<![\w]){re.escape(name)}(?!\w)", rows()) is not None


def test_every_setting_until_1_0_is_in_a_table():
    missing = [
        name
        for name in SETTINGS_UNTIL_1_0.split()
        if not is_looked_up(f"REFLEX_DJANGO_{name}") and not is_looked_up(f"RX_{name}")
    ]
    assert missing == []


def test_every_setting_since_2_0_is_in_a_table():
    assert [name for name in SETTINGS_SINCE_2_0.split() if not is_looked_up(f"RX_{name}")] == []


def test_every_name_is_in_a_table():
    assert [name for name in NAMES.split() if not is_looked_up(name)] == []


def test_what_takes_their_place_exists():
    for name in set(re.findall(r"`(rxbridge\.[\w.]+)", GUIDE)):
        assert pkgutil.resolve_name(name)
