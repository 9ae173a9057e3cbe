"""All faults: in words, how often at full size, and how often in the tests."""

from . import clocks, crowds, surroundings, tellers
from .fault import Fault

TABLE = (
    Fault("an exporter hangs, a log filter raises, the queue is full: {} stalls",
          tellers.everything_at_once, 20, 12),
    Fault("an instrument raises SystemExit, a log filter raises: {} stalls", tellers.raising, 20, 4),
    Fault("{} clients scrape a collector that hangs", surroundings.hung_collectors, 300, 50),
    Fault("{} clients ask the page and leave at once", surroundings.abandoned, 300, 50),
    Fault("all {} descriptors are taken", surroundings.descriptors, 1024, 128),
    Fault("SIGSTOP, and SIGCONT after {} s", clocks.stopped, 10, 2),
    Fault("{} signals during the poll", clocks.signals, 200, 20),
    Fault("the wall clock jumps before {} holds", clocks.clock_jumps, 30, 6),
    Fault("{} requests in flight, and a hold", crowds.in_flight, 10_000, 2_000),
    Fault("{} loops, one after the other", crowds.loops, 2_000, 200),
    Fault("{} threads with 3 loops each, at once", crowds.threads, 64, 16),
    Fault("{} starts and stops of a watch", crowds.starts, 18_000, 300),
)  # fmt: skip
