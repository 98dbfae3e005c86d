"""The properties of ``make fuzz`` hold for a few inputs each, so that it runs when it is wanted."""

import pytest
from hypothesis import HealthCheck, settings

from tests.fuzz.properties import PROPERTIES


@pytest.mark.parametrize("holds", PROPERTIES, ids=lambda each: each.__name__)
def test_property_holds_for_a_few_inputs(holds):
    few = settings(max_examples=20, derandomize=True, suppress_health_check=list(HealthCheck))
    few(holds)()
