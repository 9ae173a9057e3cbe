"""What this process has, as Python and the kernel say."""

import gc
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Possessions:
    objects: int
    memory: int  # bytes
    descriptors: int
    threads: int

    def grown(self, before: "Possessions") -> str:
        """Say what there is more than before."""
        return (
            f"{self.objects - before.objects:+} objects, "
            f"{(self.memory - before.memory) / 1e6:+.1f} MB, "
            f"{self.descriptors - before.descriptors:+} descriptors, "
            f"{self.threads - before.threads:+} threads"
        )


def possessions() -> Possessions:
    for _ in range(3):
        gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Possessions(
        objects=len(gc.get_objects()),
        memory=pages * os.sysconf("SC_PAGE_SIZE"),
        descriptors=len(os.listdir("/proc/self/fd")),
        threads=len(os.listdir("/proc/self/task")),
    )
