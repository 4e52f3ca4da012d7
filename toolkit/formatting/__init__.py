"""Numbers as text: one function for each kind of figure."""
