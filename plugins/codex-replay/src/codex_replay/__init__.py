"""Traces of threads, their replay, and capsules that replay elsewhere."""
