"""Training jobs: download, run the containers of all hosts, upload.

states       the states, the times and the events of a job
run          one job from Starting to its end
cluster      its hosts: who they are, what their /opt/ml says, their processes
channels     the input: which object goes to which host
sync         folders that are kept in S3 while the job runs: checkpoints, TensorBoard
usage        what a host uses of the machine
outputs      model.tar.gz and output.tar.gz
checks       requests that the service model lets through and SageMaker does not
"""

from localcloud.sagemaker.training.checks import check, with_defaults
from localcloud.sagemaker.training.run import TrainingRun
from localcloud.sagemaker.training.states import enter, recover

__all__ = ["TrainingRun", "check", "enter", "recover", "with_defaults"]
