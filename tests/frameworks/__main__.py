"""Prints the table of frameworks:  python -m tests.frameworks [NAME ...]"""

import sys

from tests.conftest import LOOPS

from .playing import PACKAGES, faults, missing_for, play

for app in sys.argv[1:] or PACKAGES:
    if missing := missing_for(app):
        print(f"{app}: not installed: {', '.join(missing)}")
        continue
    for loop in LOOPS:
        told, waited = play(app, (loop,))
        for row, found in told[loop].items():
            wrong = faults(row, found)
            print(f"{app:15} {loop:8} {row:45} {found['expected']['route']:45}", end=" ")
            print(f"{wrong or 'right'} ({waited:.2f} s without CPU)")
