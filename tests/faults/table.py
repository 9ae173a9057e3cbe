"""All faults: in words, how often at full size, and how often in the tests."""

from . import clocks, crowds, surroundings, tellers
from .fault import Fault

TABLE = (
    Fault(
        "an exporter hangs, a log filter raises, the queue is full: {} stalls",
        tellers.everything_at_once,
        20,
        8,
    ),
    Fault("an instrument exits, a log filter raises: {} stalls", tellers.raising, 20, 4),
    Fault("{} clients scrape a collector that hangs", surroundings.hung_collectors, 300, 50),
    Fault("{} clients ask the page and leave at once", surroundings.abandoned, 300, 50),
    Fault("all {} descriptors are taken", surroundings.descriptors, 1024, 128),
    Fault("SIGSTOP, and SIGCONT after {} s", clocks.stopped, 10, 2),
    Fault("{} signals during the poll", clocks.signals, 200, 10),
    Fault("the wall clock jumps before {} holds", clocks.clock_jumps, 30, 5),
    Fault("{} requests in flight, and a hold", crowds.in_flight, 10_000, 1_000),
    Fault("{} loops, one after the other", crowds.loops, 2_000, 100),
    Fault("{} threads with 3 loops each, at once", crowds.threads, 64, 16),
    Fault("{} starts and stops of a watch", crowds.starts, 18_000, 150),
)
