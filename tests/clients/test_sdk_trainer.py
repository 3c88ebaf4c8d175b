"""`sagemaker.train`: ModelTrainer and HyperparameterTuner over the project's training image."""

from __future__ import annotations

import io
import json
import logging
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from sagemaker.core.parameter import ContinuousParameter
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, MetricDefinition, SourceCode
from sagemaker.train.tuner import HyperparameterTuner

from tests.local.conftest import Cloud

from .conftest import needs_opt_ml

pytestmark = pytest.mark.usefixtures("sdk")

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-training:2.21.0-cpu-py312"
LOSS = r"loss=([0-9.]+);"
# Written for both ways in which the SDK starts a script: each sets some of the SM_* variables.
SCRIPT = """
import argparse, json, os, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float, default=0.5)
options, _ = parser.parse_known_args()
rate = float(os.environ.get("SM_HP_RATE", options.rate))
channel = os.environ.get("SM_CHANNEL_TRAIN")
rows = sum(len(p.read_text().split()) for p in pathlib.Path(channel).iterdir()) if channel else 0
print(f"loss={abs(rate - 0.3):.4f};", flush=True)
model = pathlib.Path(os.environ["SM_MODEL_DIR"])
(model / "model.json").write_text(json.dumps({"rate": rate, "rows": rows}))
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> SourceCode:
    folder = tmp_path_factory.mktemp("source")
    (folder / "train.py").write_text(SCRIPT)
    return SourceCode(source_dir=str(folder), entry_script="train.py")


@pytest.fixture
def trainer(source: SourceCode, role: str, unique: Callable[[str], str]) -> ModelTrainer:
    return ModelTrainer(
        training_image=IMAGE,
        source_code=source,
        compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=1),
        hyperparameters={"rate": 0.25},
        role=role,
        base_job_name=unique("sdk"),
    ).with_metric_definitions([MetricDefinition(name="loss", regex=LOSS)])


@needs_opt_ml
def test_a_script_trains_on_local_files_with_its_logs_shown(
    trainer: ModelTrainer, cloud: Cloud, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "rows.csv").write_text("1,2\n3,4\n")
    data = InputData(channel_name="train", data_source=str(tmp_path))
    with caplog.at_level(logging.INFO):
        trainer.train(input_data_config=[data], wait=True, logs=True)
    assert "loss=0.0500;" in caplog.text
    job = trainer._latest_training_job
    assert job is not None
    assert job.training_job_status == "Completed"
    assert [m.value for m in job.final_metric_data_list] == [pytest.approx(0.05)]
    bucket, key = job.model_artifacts.s3_model_artifacts.removeprefix("s3://").split("/", 1)
    assert bucket == "sagemaker-us-east-1-000000000000"
    archive = cloud.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        file = tar.extractfile("model.json")
        assert file is not None
        assert json.load(file) == {"rate": 0.25, "rows": 2}


def test_a_script_s_hyperparameters_are_tuned(trainer: ModelTrainer) -> None:
    tuner = HyperparameterTuner(
        model_trainer=trainer,
        objective_metric_name="loss",
        objective_type="Minimize",
        metric_definitions=[{"Name": "loss", "Regex": LOSS}],
        hyperparameter_ranges={"rate": ContinuousParameter(0.1, 0.9)},
        strategy="Random",
        max_jobs=2,
        max_parallel_jobs=2,
    )
    tuner.tune(wait=False)
    tuner.latest_tuning_job.wait(poll=1)
    job = tuner.latest_tuning_job
    assert job.hyper_parameter_tuning_job_status == "Completed"
    best = job.best_training_job
    assert tuner.best_training_job() == best.training_job_name
    rate = float(best.tuned_hyper_parameters["rate"])
    metric = best.final_hyper_parameter_tuning_job_objective_metric
    assert metric.value == pytest.approx(abs(rate - 0.3), abs=1e-4)
