"""The entry of the training container: `python train.py [--epochs 8] [--learning_rate 0.002] …`

With `--task judge` nothing is trained: the model in the channel `challenger` is compared with the
one in `champion`.

SageMaker's script mode puts this file and `pigeonhole_training/` at /opt/ml/code and gives every
hyperparameter as a flag; those that are not ours are ignored. The environment is read here alone
(each with its default):

    SAGEMAKER_BASE_DIR                     /opt/ml, below which the rest lies
    SM_CHANNEL_TRAIN, SM_CHANNEL_VERSION   input/data/train, input/data/version
    SM_CHANNEL_CHAMPION                    input/data/champion, judged if it is there
    SM_CHANNEL_CHALLENGER                  input/data/challenger, in judging jobs
    SM_CHANNEL_WEIGHTS                     input/data/weights, pretrained weights if it is there
    SM_CHECKPOINT_DIR                      checkpoints, which SageMaker keeps in S3
    SM_MODEL_DIR                           model
    SM_OUTPUT_DATA_DIR                     output/data
    SM_OUTPUT_DIR                          output: `failure` gets the reason, `tensorboard` the
                                           event files, which SageMaker copies to S3 as they grow
    SM_HOSTS, SM_CURRENT_HOST              names of the job's hosts (JSON) and of this one; one host
    SM_CURRENT_INSTANCE_TYPE               what advice about instances starts from
    TRAINING_JOB_NAME                      as SageMaker sets it
    KERAS_BACKEND                          tensorflow
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import NoReturn

from pigeonhole_training.config import Hyperparameters, JobConfig
from pigeonhole_training.errors import BadRequest, JobError, Stopped
from pigeonhole_training.fitting.gpus import gpu_memories
from pigeonhole_training.progress import StopFlag, say

TASKS = ("train", "judge")
REASON_LENGTH = 1024  # what DescribeTrainingJob shows of the failure file


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse would exit with 2 and no failure file
        raise BadRequest(f"a hyperparameter cannot be used: {message}")


def parse_config(arguments: Sequence[str], environment: Mapping[str, str]) -> JobConfig:
    """The job that flags and environment ask for. Raises BadRequest."""
    # No abbreviations: an unknown `--seed_everything` must not be taken for `--seed`.
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("--preset", default=Hyperparameters.preset)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--fine_tune_epochs", type=int)
    parser.add_argument("--batch_size", type=int)
    parser.add_argument("--learning_rate", type=float)
    parser.add_argument("--seed", type=int, default=Hyperparameters.seed)
    parser.add_argument("--mixed_precision", default=Hyperparameters.mixed_precision)
    parser.add_argument("--quantize", default=Hyperparameters.quantize)
    parser.add_argument("--dataset_version")
    parser.add_argument("--code_version", default="")
    flags, _ = parser.parse_known_args(arguments)

    def folder(variable: str, below: str) -> Path:
        return _folder(environment, variable, below)

    champion: Path | None = folder("SM_CHANNEL_CHAMPION", "input/data/champion")
    if not environment.get("SM_CHANNEL_CHAMPION") and champion and not champion.exists():
        champion = None
    hosts = json.loads(environment.get("SM_HOSTS") or "[]") or ["algo-1"]
    if len(hosts) > 1 and not environment.get("TF_CONFIG"):
        raise BadRequest(
            f"a job of {len(hosts)} hosts needs the hyperparameter "
            "sagemaker_multi_worker_mirrored_strategy_enabled=true, with which SageMaker tells "
            "them of each other"
        )
    weights = folder("SM_CHANNEL_WEIGHTS", "input/data/weights")
    challenger = folder("SM_CHANNEL_CHALLENGER", "input/data/challenger")
    return JobConfig(
        train_dir=folder("SM_CHANNEL_TRAIN", "input/data/train"),
        version_dir=folder("SM_CHANNEL_VERSION", "input/data/version"),
        champion_dir=champion,
        model_dir=folder("SM_MODEL_DIR", "model"),
        output_data_dir=folder("SM_OUTPUT_DATA_DIR", "output/data"),
        checkpoint_dir=folder("SM_CHECKPOINT_DIR", "checkpoints"),
        weights_dir=weights if weights.exists() else None,
        training_job=environment.get("TRAINING_JOB_NAME", ""),
        hyperparameters=Hyperparameters(
            preset=flags.preset,
            epochs=flags.epochs,
            fine_tune_epochs=flags.fine_tune_epochs,
            batch_size=flags.batch_size,
            learning_rate=flags.learning_rate,
            seed=flags.seed,
            mixed_precision=flags.mixed_precision,
            quantize=flags.quantize,
        ),
        dataset_version=flags.dataset_version,
        code_version=flags.code_version,
        hosts=len(hosts),
        host=hosts.index(environment["SM_CURRENT_HOST"]) if len(hosts) > 1 else 0,
        tensorboard_dir=folder("SM_OUTPUT_DIR", "output") / "tensorboard",
        instance_type=environment.get("SM_CURRENT_INSTANCE_TYPE", ""),
        challenger_dir=challenger if challenger.exists() else None,
    )


def _folder(environment: Mapping[str, str], variable: str, below: str) -> Path:
    base = Path(environment.get("SAGEMAKER_BASE_DIR") or "/opt/ml")
    return Path(environment.get(variable) or base / below)


def task_of(arguments: Sequence[str]) -> str:
    """`train` or `judge`, as the hyperparameter `task` says. Raises BadRequest."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("--task", choices=TASKS, default=TASKS[0])
    return str(parser.parse_known_args(arguments)[0].task)


def choose_backend(environment: MutableMapping[str, str], gpus: int | None = None) -> None:
    """Chooses Keras' backend and quiets it; must run before Keras is imported.

    `gpus`: how many the host has; None: as its driver says.
    """
    environment.setdefault("KERAS_BACKEND", "tensorflow")
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if not (len(gpu_memories()) if gpus is None else gpus):
        # The same seed gives the same model. Not on a GPU: XLA refuses to compile the gradient of
        # max pooling where TensorFlow is to be deterministic.
        environment.setdefault("TF_DETERMINISTIC_OPS", "1")
    for noisy in ("absl", "matplotlib", "tensorflow", "tf2onnx"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    # Keras' exporter looks for a name that NumPy no longer has, and provides it itself.
    warnings.filterwarnings("ignore", r"In the future `np\.object`", FutureWarning)


def main(arguments: Sequence[str]) -> int:
    """Runs the job; the exit status is 0 or, with the reason in the failure file, 1."""
    stop = StopFlag()
    stop.install()
    try:
        config = parse_config(arguments, os.environ)
        if task_of(arguments) == "judge":
            from pigeonhole_training.judging.again import judge_again  # noqa: PLC0415

            judge_again(config, stop)
            return 0
        choose_backend(os.environ)
        from pigeonhole_training.job import train_and_evaluate  # noqa: PLC0415

        train_and_evaluate(config, stop)
    except Exception as error:
        # The one place where everything ends: the log gets it all, people get the reason.
        if not isinstance(error, Stopped):
            traceback.print_exc()
        reason = str(error) if isinstance(error, JobError) else f"{type(error).__name__}: {error}"
        output = _folder(os.environ, "SM_OUTPUT_DIR", "output")
        output.mkdir(parents=True, exist_ok=True)
        (output / "failure").write_text(reason[:REASON_LENGTH], encoding="utf-8")
        say(f"Failed: {reason}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
