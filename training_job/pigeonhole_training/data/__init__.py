"""What a job trains on: the dataset version, its rows, and which of them do what.

version    version.json, and the check that the channel still holds what it promises
rows       Pool (every row that was read, once) and Rows (some of them)
csv_rows   CSVs into a pool
split      training, validation, held-out
"""
