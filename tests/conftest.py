"""Tests assert no times: the first example of a property may make tables, on a machine that does something else too."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
