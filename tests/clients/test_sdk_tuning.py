"""`sagemaker.core.resources.HyperParameterTuningJob`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sagemaker.core.resources import HyperParameterTuningJob, TrainingJob
from sagemaker.core.shapes import (
    ContinuousParameterRange,
    HyperParameterAlgorithmSpecification,
    HyperParameterTrainingJobDefinition,
    HyperParameterTuningJobConfig,
    HyperParameterTuningJobObjective,
    OutputDataConfig,
    ParameterRanges,
    ResourceConfig,
    ResourceLimits,
    StoppingCondition,
)

from .conftest import TRAINER
from .sdk import LOSS

pytestmark = pytest.mark.usefixtures("sdk")


def test_a_tuning_job_is_waited_for_and_names_its_best_trial(
    unique: Callable[[str], str], role: str, bucket: str
) -> None:
    name = unique("sdk-tune")
    job = HyperParameterTuningJob.create(
        hyper_parameter_tuning_job_name=name,
        hyper_parameter_tuning_job_config=HyperParameterTuningJobConfig(
            strategy="Random",
            hyper_parameter_tuning_job_objective=HyperParameterTuningJobObjective(
                type="Minimize", metric_name="loss"
            ),
            resource_limits=ResourceLimits(
                max_number_of_training_jobs=3, max_parallel_training_jobs=2
            ),
            parameter_ranges=ParameterRanges(
                continuous_parameter_ranges=[
                    ContinuousParameterRange(name="rate", min_value="0.1", max_value="0.9")
                ]
            ),
        ),
        training_job_definition=HyperParameterTrainingJobDefinition(
            algorithm_specification=HyperParameterAlgorithmSpecification(
                training_image=TRAINER, training_input_mode="File", metric_definitions=[LOSS]
            ),
            static_hyper_parameters={"mode": "good"},
            role_arn=role,
            output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/out"),
            resource_config=ResourceConfig(
                instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=1
            ),
            stopping_condition=StoppingCondition(max_runtime_in_seconds=60),
        ),
    )
    job.wait(poll=1)
    assert job.hyper_parameter_tuning_job_status == "Completed"
    assert job.training_job_status_counters.completed == 3
    assert job.objective_status_counters.succeeded == 3
    best = job.best_training_job
    assert best.final_hyper_parameter_tuning_job_objective_metric.value == 0.25
    trials = list(job.get_all_training_jobs(sort_by="FinalObjectiveMetricValue"))
    assert len(trials) == 3
    assert 0.1 <= float(trials[0].tuned_hyper_parameters["rate"]) <= 0.9
    trial = TrainingJob.get(best.training_job_name)
    assert trial.tuning_job_arn == job.hyper_parameter_tuning_job_arn
    found = HyperParameterTuningJob.get_all(name_contains=name)
    assert [each.hyper_parameter_tuning_job_name for each in found] == [name]
