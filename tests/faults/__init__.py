"""What may go wrong around a watch, tried on purpose: crowds, clocks, signals, tellers.

`python -m tests.faults` tries everything at full size and prints one table; the tests try it small.
"""
