"""Bounded tables of counts by label, without I/O or clock."""
