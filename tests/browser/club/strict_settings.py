"""The club's settings, with a policy under which no page may evaluate text."""

from django.utils.csp import CSP

from tests.browser.club.settings import *  # noqa: F403
from tests.browser.club.settings import MIDDLEWARE

ROOT_URLCONF = "tests.browser.club.strict_site"
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    *MIDDLEWARE[1:],
]
SECURE_CSP = {
    "default-src": [CSP.SELF],
    "script-src": [CSP.SELF, CSP.NONCE],
    "style-src": [CSP.SELF, CSP.UNSAFE_INLINE],
    "img-src": [CSP.SELF, "data:"],
    "object-src": [CSP.NONE],
    "base-uri": [CSP.NONE],
    "form-action": [CSP.SELF],
    "frame-ancestors": [CSP.NONE],
}
