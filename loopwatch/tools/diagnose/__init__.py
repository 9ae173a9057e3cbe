"""`loopwatch diagnose`: from "p99 is terrible" to the line, as one report."""
