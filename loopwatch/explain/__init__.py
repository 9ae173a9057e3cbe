"""From evidence to words: route, site, cause and advice of one stall."""
