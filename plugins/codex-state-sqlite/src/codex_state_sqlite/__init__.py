"""The state of a home in one SQLite file: small values, jobs with leases, and an index of rollouts."""
