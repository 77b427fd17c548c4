"""An organisation's managed configuration: a bundle from a file or over HTTPS, checked, kept, explained."""
