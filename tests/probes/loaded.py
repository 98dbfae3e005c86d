"""Import the module named first; print which of the others that loaded, as JSON."""

import importlib
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"

module, *unwanted = sys.argv[1:]
if "django" not in unwanted:
    import django

    django.setup()
importlib.import_module(module)
print(json.dumps([name for name in unwanted if name in sys.modules]))
