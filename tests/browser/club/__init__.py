"""A small site with sign-in and ready pages, for tests in a browser; see ``running.py``.

What differs between tests comes from the environment: ``CLUB_HTTPS``, ``CLUB_REDIS``,
``CLUB_MAIL``, ``CLUB_SAMESITE``, and ``RXBRIDGE_TEST_DB`` as everywhere in the suite.
"""
