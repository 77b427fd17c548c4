"""Running programs on this machine: in sessions of their own, ended with all they started."""
