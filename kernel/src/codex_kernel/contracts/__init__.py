"""Contracts: one Protocol per kind of plugin, small enough to implement in an afternoon."""
