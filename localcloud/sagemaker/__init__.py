"""SageMaker, as far as the local cloud has it: jobs and endpoints that really run, as processes.

`build_app` makes the server; what it needs from the rest of the cloud it is handed
(`localcloud.ports`). `dispatch.py` lists the operations; one that AWS has and this does not
answers `NotImplementedException`.
"""

from __future__ import annotations

from localcloud.sagemaker.app import build_app
from localcloud.sagemaker.cloud import Timeouts
from localcloud.sagemaker.store import Store

__all__ = ["Store", "Timeouts", "build_app"]
