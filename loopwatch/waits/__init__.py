"""Where requests are suspended: their await chains, read from a thread of our own."""
