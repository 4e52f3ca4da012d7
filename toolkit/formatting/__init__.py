"""Figures with their bounds, and numbers, dates and names as text.

`figures` calculates, `text` writes numbers and names, `dates` writes days and ranges.
"""
