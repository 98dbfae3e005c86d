"""Other people's middleware, each with its real job, around Reflex events.

Run with ``scripts/test_ecosystem.sh``: each test file in a process and with settings of its own.
"""
