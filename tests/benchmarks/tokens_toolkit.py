"""Print the tokens of a log by model and day."""

import sys

import toolkit

usage = toolkit.metrics.token_usage(toolkit.scan(sys.argv[1]), every="1d")
print(usage.write_csv())
