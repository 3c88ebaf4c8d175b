"""What the stack's roles may do with the data bucket: what they need, and nothing beside it."""

from __future__ import annotations

import boto3
import pytest

from cli.stack.deploy import Deployed

TRAINING, WORK, API = "TrainingRole", "WorkRole", "ApiHandlerRole"
RECONCILE = "ReconcileRole"
ALLOWED = [
    (TRAINING, "s3:GetObject", "checkpoints/letters/0123456789ab-0001/last.keras"),
    (TRAINING, "s3:PutObject", "checkpoints/letters/0123456789ab-0001/last.keras"),
    (TRAINING, "s3:DeleteObject", "checkpoints/letters/0123456789ab-0001/last.keras"),
    (TRAINING, "s3:PutObject", "reports/letters/job-1/tensorboard-output/train/events.1"),
    (TRAINING, "s3:PutObject", "models/letters/job-1/output/model.tar.gz"),
    (TRAINING, "s3:GetObject", "weights/resnet50/notop.h5"),
    (TRAINING, "s3:GetObject", "datasets/letters/a.csv"),
    (WORK, "s3:GetObject", "models/letters/job-1/output/output.tar.gz"),
    (WORK, "s3:PutObject", "reports/letters/job-1/index.html"),
    (WORK, "s3:PutObject", "pieces/letters/0123/1/00000.json"),
    (WORK, "s3:GetObject", "pieces/letters/0123/1/plan.json"),
    (RECONCILE, "s3:GetObject", "pieces/letters/0123/1/pieces.json"),
    (API, "s3:GetObject", "reports/letters/job-1/index.html"),
]
DENIED = [
    (TRAINING, "s3:PutObject", "reports/letters/job-1/index.html"),
    (TRAINING, "s3:PutObject", "reports/letters/job-1/evaluation.json"),
    (TRAINING, "s3:PutObject", "datasets/letters/a.csv"),
    (TRAINING, "s3:PutObject", "weights/resnet50/notop.h5"),
    (TRAINING, "s3:PutObject", "code/0123456789ab/sourcedir.tar.gz"),
    (TRAINING, "s3:DeleteObject", "models/letters/job-1/output/model.tar.gz"),
    (TRAINING, "s3:DeleteObject", "reports/letters/job-1/tensorboard-output/train/events.1"),
    (TRAINING, "s3:GetObject", "inbox/holiday/a.png"),
    (WORK, "s3:GetObject", "models/letters/job-1/output/model.tar.gz"),
    (WORK, "s3:GetObject", "checkpoints/letters/0123456789ab-0001/last.keras"),
    (TRAINING, "s3:GetObject", "pieces/letters/0123/1/00000.json"),
    (RECONCILE, "s3:PutObject", "pieces/letters/0123/1/00000.json"),
    (API, "s3:GetObject", "datasets/letters/a.csv"),
    (API, "s3:GetObject", "models/letters/job-1/output/model.tar.gz"),
    (API, "s3:PutObject", "reports/letters/job-1/index.html"),
]


def decision(session: boto3.Session, deployed: Deployed, role: str, action: str, key: str) -> str:
    found = session.client("cloudformation").describe_stack_resource(
        StackName="pigeonhole-local", LogicalResourceId=role
    )["StackResourceDetail"]["PhysicalResourceId"]
    iam = session.client("iam")
    results = iam.simulate_principal_policy(
        PolicySourceArn=iam.get_role(RoleName=found)["Role"]["Arn"],
        ActionNames=[action],
        ResourceArns=[f"arn:aws:s3:::{deployed.bucket}/{key}"],
    )["EvaluationResults"]
    return str(results[0]["EvalDecision"])


@pytest.mark.parametrize(("role", "action", "key"), ALLOWED)
def test_a_role_may_do_what_it_needs(
    session: boto3.Session, deployed: Deployed, role: str, action: str, key: str
) -> None:
    assert decision(session, deployed, role, action, key) == "allowed"


@pytest.mark.parametrize(("role", "action", "key"), DENIED)
def test_a_role_may_do_nothing_beside_it(
    session: boto3.Session, deployed: Deployed, role: str, action: str, key: str
) -> None:
    assert decision(session, deployed, role, action, key) == "implicitDeny"
