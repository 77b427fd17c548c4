"""The proxy through which confined commands reach the hosts that they may reach."""
