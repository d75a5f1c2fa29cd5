"""What holds for all tests."""

from hypothesis import HealthCheck, settings

# A busy machine is no reason for a law to fail.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")
