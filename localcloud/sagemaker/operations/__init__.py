"""One function an operation, one file a family of resources.

Each takes the Cloud and the validated request and returns the response; `dispatch.py` has the
table.
"""
