"""Batch transform jobs.

run.py         a job from its start to its end
instance.py    one instance of it: its container, its log, the requests under way
objects.py     one object of the input, from S3 through the container to S3
splitting.py   an object's records, and how they fill a payload
processing.py  filters and joins; jsonpath.py, how filters are written
plan.py        how a job goes about it: the request, the container's own wishes, AWS's defaults
"""

from localcloud.sagemaker.transform.run import TransformRun, move, recover

__all__ = ["TransformRun", "move", "recover"]
