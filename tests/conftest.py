"""Tests assert no times: the first example of a property may make tables, on a machine that does something else too.

A property is tried at the same inputs in every run, so that a failure is the same for everybody.
"""

import signal

from hypothesis import settings

settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

# a shell lets what it starts in the background ignore interrupts, and so would every process that tests interrupt
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
