"""One scrape of a registry, read by prometheus_client's own parser."""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families


class Scrape:
    """One scrape: families by name, values by name and labels."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.text = generate_latest(registry).decode()
        self.families = {f.name: f for f in text_string_to_metric_families(self.text)}
        self.samples = {
            (s.name, frozenset(s.labels.items())): s.value
            for family in self.families.values()
            for s in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        return float(self.samples[name, frozenset(labels.items())])

    def total(self, name: str, **labels: str) -> float:
        """Return the sum over all labels not given."""
        wanted = labels.items()
        return sum(v for (n, had), v in self.samples.items() if n == name and wanted <= had)

    def quantile(self, name: str, q: float) -> float:
        """Return what PromQL's `histogram_quantile` does of one series."""
        buckets = sorted(
            (float(dict(labels)["le"]), value)
            for (n, labels), value in self.samples.items()
            if n == f"{name}_bucket"
        )
        rank, low, seen = q * buckets[-1][1], 0.0, 0.0
        for edge, upto in buckets:
            if upto >= rank:
                return low + (edge - low) * (rank - seen) / (upto - seen)
            low, seen = edge, upto
        raise AssertionError("a histogram ends at +Inf")
