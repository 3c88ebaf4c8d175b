"""What AWS's SageMaker has and ours does not: refused in one place, told in one table.

`dispatch.perform` asks `check` before an operation is carried out, so that nothing that is asked
for is silently left out. `python -m localcloud.sagemaker.support_table` prints the table of
docs/sagemaker-operations.md; a test holds the two together.

Three kinds: operations that are not there at all (`dispatch.OPERATIONS` has those that are),
members of requests (`GAPS`), and what depends on more than one member (`CONDITIONS`, refused where
it is noticed).

A gap is a path of members through structures, lists and maps (`ProductionVariants.ModelDataUrl`).
It must be unset, false or empty, or one of the values that `allowed` names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from localcloud.sagemaker.errors import ValidationException


@dataclass(frozen=True)
class Gap:
    """A member that is not supported, or only with some values."""

    path: str
    allowed: tuple[Any, ...] = ()

    def found_in(self, request: dict[str, Any]) -> Any:
        """The first value that is not supported; None when there is none."""
        for value in _values(request, self.path.split(".")):
            if value and value not in self.allowed:
                return value
        return None

    def text(self, value: Any) -> str:
        """As the error names it."""
        return f"{self.path}={value}" if self.allowed else self.path


def gaps(*paths: str, under: str = "") -> tuple[Gap, ...]:
    """Gaps without allowed values, all `under` one structure."""
    return tuple(Gap(f"{under}.{path}" if under else path) for path in paths)


_TRAINING = (
    *gaps(
        "EnableNetworkIsolation",
        "VpcConfig",
        "ExperimentConfig",
        "SessionChainingConfig",
        "ServerlessJobConfig",
        "MlflowConfig",
        "ModelPackageConfig",
        "DebugRuleConfigurations",
        "ProfilerRuleConfigurations",
        "InfraCheckConfig.EnableInfraCheck",
        "RemoteDebugConfig.EnableRemoteDebug",
    ),
    *gaps("AlgorithmName", "TrainingImageConfig", under="AlgorithmSpecification"),
    Gap("AlgorithmSpecification.TrainingInputMode", ("File", "FastFile")),
    *gaps(
        "VolumeKmsKeyId",
        "KeepAlivePeriodInSeconds",
        "TrainingPlanArn",
        "InstancePlacementConfig",
        "InstancePreferences",
        "SelectedInstanceType",
        "SelectedInstanceCount",
        under="ResourceConfig",
    ),
    Gap("OutputDataConfig.CompressionType", ("GZIP",)),
    *gaps("DataSource.FileSystemDataSource", "DataSource.DatasetSource", under="InputDataConfig"),
    Gap("InputDataConfig.InputMode", ("File", "FastFile")),
    Gap("InputDataConfig.DataSource.S3DataSource.S3DataType", ("S3Prefix", "ManifestFile")),
    *gaps(
        "AttributeNames",
        "ModelAccessConfig",
        "HubAccessConfig",
        under="InputDataConfig.DataSource.S3DataSource",
    ),
)
_CONTAINER = (
    "ModelDataSource",
    "AdditionalModelDataSources",
    "MultiModelConfig",
    "ImageConfig",
    "ContainerMetricsConfig",
)

GAPS: dict[str, tuple[Gap, ...]] = {
    "CreateTrainingJob": _TRAINING,
    "ListTrainingJobs": gaps("WarmPoolStatusEquals", "TrainingPlanArnEquals"),
    "CreateHyperParameterTuningJob": gaps(
        "Autotune",
        "HyperParameterTuningJobConfig.ParameterRanges.AutoParameters",
        "TrainingJobDefinition.HyperParameterRanges.AutoParameters",
        "TrainingJobDefinitions.HyperParameterRanges.AutoParameters",
    ),
    "CreateModel": (
        *gaps("InferenceExecutionConfig", "EnableNetworkIsolation"),
        *gaps(*_CONTAINER, under="PrimaryContainer"),
        Gap("PrimaryContainer.Mode", ("SingleModel",)),
        *gaps(*_CONTAINER, under="Containers"),
        Gap("Containers.Mode", ("SingleModel",)),
    ),
    "CreateEndpointConfig": (
        *gaps(
            "DataCaptureConfig",
            "ExplainerConfig",
            "ShadowProductionVariants",
            "MetricsConfig",
            "CrossRegionTrafficConfig",
            "EnableNetworkIsolation",
        ),
        *gaps(
            "InstancePools",
            "AcceleratorType",
            "AcceleratorPartitionLayouts",
            "CoreDumpConfig",
            "EnableSSMAccess",
            "ManagedInstanceScaling",
            "CapacityReservationConfig",
            under="ProductionVariants",
        ),
        Gap(
            "ProductionVariants.RoutingConfig.RoutingStrategy",
            ("RANDOM", "LEAST_OUTSTANDING_REQUESTS"),
        ),
        *gaps(
            "KmsKeyId",
            "NotificationConfig.IncludeInferenceResponseIn",
            under="AsyncInferenceConfig.OutputConfig",
        ),
    ),
    "CreateEndpoint": gaps("DeploymentConfig"),
    "UpdateEndpoint": gaps("DeploymentConfig", "RetainDeploymentConfig"),
    "CreateTransformJob": (
        *gaps("DataCaptureConfig", "ExperimentConfig", "TransformResources.VolumeKmsKeyId"),
        Gap(
            "TransformInput.DataSource.S3DataSource.S3DataType",
            ("S3Prefix", "ManifestFile", "AugmentedManifestFile"),  # which AWS refuses, too
        ),
        Gap(
            "TransformResources.TransformAmiVersion",
            ("al2-ami-sagemaker-batch-gpu-470", "al2-ami-sagemaker-batch-gpu-535"),
        ),
    ),
    "CreateModelPackageGroup": gaps("ManagedConfiguration"),
    "ListModelPackageGroups": (Gap("CrossAccountFilterOption", ("SameAccount",)),),
    "CreateModelPackage": gaps(
        "ValidationSpecification",
        "SourceAlgorithmSpecification",
        "CertifyForMarketplace",
        "SecurityConfig",
        "ManagedStorageType",
    ),
}


PIPELINE = "An inference pipeline of several containers"
PACKAGE_DATA = (
    "A model package whose container has ModelDataSource, AdditionalModelDataSources, "
    "AdditionalS3DataSource, ProductId, IsCheckpoint or BaseModel"
)
WITHOUT_MODEL = "A production variant without ModelName"
WITHOUT_PATH = "AsyncInferenceConfig.OutputConfig without S3OutputPath"
TO_ASYNCHRONOUS = "An update between real-time and asynchronous inference"
NO_INSTANCES = "DesiredInstanceCount=0 of a real-time endpoint"
LOCAL_PATH = "A LocalPath outside of /opt/ml"
OTHER_URI = "A URI other than s3://"
STREAMED = "DataProcessing with MaxPayloadInMB=0"
IN_TRIALS = "In its definitions of training jobs, what CreateTrainingJob refuses"
HTTPS_INPUT = "An https InputLocation"

CONDITIONS: dict[str, tuple[str, ...]] = {
    "CreateTrainingJob": (LOCAL_PATH, OTHER_URI),
    "CreateHyperParameterTuningJob": (IN_TRIALS,),
    "CreateModel": (
        PIPELINE,
        PACKAGE_DATA,
    ),
    "CreateEndpointConfig": (
        WITHOUT_MODEL,
        WITHOUT_PATH,
    ),
    "UpdateEndpoint": (TO_ASYNCHRONOUS,),
    "UpdateEndpointWeightsAndCapacities": (NO_INSTANCES,),
    "CreateTransformJob": (
        OTHER_URI,
        STREAMED,
    ),
    "InvokeEndpointAsync": (HTTPS_INPUT,),
}

# Members of InvokeEndpoint that travel as headers.
HEADERS = {
    "x-amzn-sagemaker-target-model": "TargetModel",
    "x-amzn-sagemaker-target-container-hostname": "TargetContainerHostname",
    "x-amzn-sagemaker-inference-component": "InferenceComponentName",
    "x-amzn-sagemaker-enable-explanations": "EnableExplanations",
    "x-amzn-sagemaker-session-id": "SessionId",
}


def unsupported(operation: str, condition: str) -> ValidationException:
    """The error for one of CONDITIONS."""
    if condition not in CONDITIONS[operation]:
        raise LookupError(condition)
    return ValidationException(sentence(condition))


def sentence(what: str) -> str:
    """How the local cloud says it."""
    return f"{what} is not supported by the local cloud."


def check(operation: str, request: dict[str, Any]) -> None:
    """Raises ValidationException when the request asks for what is not supported."""
    for gap in GAPS.get(operation, ()):
        value = gap.found_in(request)
        if value is not None:
            raise ValidationException(sentence(gap.text(value)))


def _values(value: Any, path: list[str]) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _values(item, path)
    elif not path:
        yield value
    elif isinstance(value, dict) and path[0] in value:
        yield from _values(value[path[0]], path[1:])
