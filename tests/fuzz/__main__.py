"""Try the properties in turn until the time is over, as ``make fuzz`` does."""

import logging
import os
import sys
import time
import traceback

import django
from hypothesis import HealthCheck, settings

ROUND = 300  # examples of a property before it is the next one's turn


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    logging.disable(logging.CRITICAL)
    from tests.fuzz.properties import PROPERTIES

    rules = settings(
        max_examples=ROUND,
        deadline=2_000,  # milliseconds: an input that takes longer is a fault too
        suppress_health_check=list(HealthCheck),
        database=None,
        print_blob=True,
    )
    ends = time.monotonic() + float(os.environ.get("FUZZ_SECONDS", "600"))
    rounds = dict.fromkeys((rules(each) for each in PROPERTIES), 0)
    failed: dict[object, str] = {}
    while time.monotonic() < ends and len(failed) < len(rounds):
        for each in rounds.keys() - failed.keys():
            rounds[each] += 1
            try:
                each()
            except Exception:
                failed[each] = traceback.format_exc()
    for each, count in rounds.items():
        verdict = "FAILED" if each in failed else "held"
        print(f"{each.__name__:<20} {count * ROUND:>9,} examples  {verdict}")
    for text in failed.values():
        print(f"\n{text}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
