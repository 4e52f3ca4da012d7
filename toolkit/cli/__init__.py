"""The command `toolkit`."""
