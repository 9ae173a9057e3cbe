"""A module of the app's own that takes its time to be imported."""

import time

time.sleep(0.2)  # culprit: import_own
