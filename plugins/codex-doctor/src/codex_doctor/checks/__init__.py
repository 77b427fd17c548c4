"""The checks that belong to no other plugin, one module each: what is imported is what is run."""
