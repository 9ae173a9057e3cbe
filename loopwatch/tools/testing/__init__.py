"""Tests that stall their loop fail: what the pytest plugin does once it is asked to."""
