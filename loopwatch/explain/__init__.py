"""From photographs to words: route, site, cause."""
