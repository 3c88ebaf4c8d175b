"""Starting, stopping and killing the local cloud."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import psutil
import pytest

from cli import cloud as command
from localcloud.home import Home

from .clouds import Factory, LocalCloud, free_port, make_function, wait_for

STACK = """
Resources:
  Kept:
    Type: AWS::SQS::Queue
    Properties: {QueueName: kept-by-the-stack}
"""
ADDRESS = "127.0.0.1"
MESSAGE = "a message to keep"  # words that stand nowhere else in the saved state
WORKER = """
import os
def handler(event, context):
    return {"pid": os.getpid(), "environment": dict(os.environ)}
"""


def gone(processes: list[psutil.Process]) -> bool:
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


def fill(cloud: LocalCloud) -> None:
    """One resource of each kind that the project keeps in the cloud."""
    s3, dynamodb = cloud.client("s3"), cloud.client("dynamodb")
    s3.create_bucket(Bucket="kept")
    s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="kept", Key="a/b", Body=b"first")
    s3.put_object(Bucket="kept", Key="a/b", Body=b"second")
    dynamodb.create_table(
        TableName="kept",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.put_item(TableName="kept", Item={"id": {"S": "one"}, "n": {"N": "1"}})
    stacks = cloud.client("cloudformation")
    stacks.create_stack(StackName="kept", TemplateBody=STACK)
    stacks.get_waiter("stack_create_complete").wait(StackName="kept", WaiterConfig={"Delay": 1})
    sqs = cloud.client("sqs")
    url = sqs.get_queue_url(QueueName="kept-by-the-stack")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=MESSAGE)


def contents(cloud: LocalCloud) -> dict[str, Any]:
    """What `fill` put there, as it is now."""
    s3, sqs = cloud.client("s3"), cloud.client("sqs")
    url = sqs.get_queue_url(QueueName="kept-by-the-stack")["QueueUrl"]
    stack = cloud.client("cloudformation").describe_stacks(StackName="kept")["Stacks"][0]
    item = cloud.client("dynamodb").get_item(TableName="kept", Key={"id": {"S": "one"}})
    return {
        "object": s3.get_object(Bucket="kept", Key="a/b")["Body"].read(),
        "versions": len(s3.list_object_versions(Bucket="kept")["Versions"]),
        "item": item["Item"]["n"]["N"],
        "stack": stack["StackStatus"],
        "message": sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"][0]["Body"],
    }


def call(cloud: LocalCloud) -> dict[str, Any]:
    """Call a function; its worker process stays."""
    make_function(cloud, "worker", WORKER)
    answer = cloud.client("lambda").invoke(FunctionName="worker", Payload=b"{}")
    told: dict[str, Any] = json.loads(answer["Payload"].read())
    assert told["pid"] in {p.pid for p in cloud.processes()}
    return told


KEPT = {
    "object": b"second",
    "versions": 2,
    "item": "1",
    "stack": "CREATE_COMPLETE",
    "message": MESSAGE,
}


def saved(cloud: LocalCloud) -> bool:
    """Whether everything of `fill` is on disk."""
    folder = cloud.home.ministack / "state"
    wanted = {"s3": "kept", "dynamodb": "one", "sqs": MESSAGE, "cloudformation": "CREATE_COMPLETE"}
    files = {name: folder / f"{name}.json" for name in wanted}
    return all(f.exists() and wanted[name] in f.read_text() for name, f in files.items())


def test_a_clean_stop_leaves_no_process_and_keeps_everything(new_cloud: Factory) -> None:
    cloud = new_cloud().start()
    fill(cloud)
    call(cloud)
    processes = cloud.processes()
    assert cloud.stop() == 0
    assert gone(processes)
    assert cloud.home.running() is None
    assert not cloud.home.state_file.exists()
    assert contents(cloud.start()) == KEPT


def test_what_was_saved_survives_a_kill_of_every_process(new_cloud: Factory) -> None:
    cloud = new_cloud().start()
    fill(cloud)
    wait_for(lambda: saved(cloud), "the state to be saved", 10)
    processes = cloud.processes()
    for process in processes:
        process.kill()
    psutil.wait_procs(processes, 10)
    assert contents(cloud.start()) == KEPT


def test_a_killed_cloud_takes_its_processes_along_and_starts_again(new_cloud: Factory) -> None:
    cloud = new_cloud().start()
    call(cloud)
    processes = cloud.processes()
    assert cloud.process is not None
    cloud.process.kill()
    cloud.process.wait()
    assert cloud.home.running() is None
    cloud.start()
    wait_for(lambda: gone(processes), "the killed cloud's processes to end")


def test_ministack_killed_alone_comes_back_with_its_state(new_cloud: Factory) -> None:
    cloud = new_cloud().start()
    fill(cloud)
    wait_for(lambda: saved(cloud), "the state to be saved", 10)
    worker = psutil.Process(call(cloud)["pid"])
    (victim,) = [
        p
        for p in cloud.processes()
        if p.cmdline()[-2:] == ["-m", "localcloud.ministack"]
        and "keeper.py" not in str(p.cmdline())
    ]
    victim.kill()
    wait_for(lambda: gone([victim, worker]), "MiniStack and its worker to end")
    wait_for(lambda: "MiniStack is back" in cloud.home.log.read_text(), "MiniStack to come back")
    assert contents(cloud) == KEPT


@pytest.mark.parametrize("offset", [0, 1])
def test_a_taken_port_is_named_with_what_to_do(new_cloud: Factory, offset: int) -> None:
    cloud = new_cloud()
    port = cloud.ports.gateway + offset
    with socket.create_server((ADDRESS, port)):
        process = cloud.launch()
        assert process.wait(20) == 1
    assert process.stderr is not None
    message = process.stderr.read()
    assert f"port {port} " in message
    assert "--port N" in message
    assert not (cloud.home.ministack / "state").exists()


def test_a_second_start_on_the_same_home_says_who_runs(new_cloud: Factory) -> None:
    cloud = new_cloud().start()
    second = LocalCloud(cloud.home, free_port())
    try:
        process = second.launch()
        assert process.wait(20) == 1
        assert process.stderr is not None
        assert cloud.process is not None
        assert f"process {cloud.process.pid}, port {cloud.ports.gateway}" in process.stderr.read()
    finally:
        second.close()
    assert cloud.home.running() is not None


def test_two_clouds_side_by_side_share_nothing(new_cloud: Factory) -> None:
    one, two = new_cloud("one").start(), new_cloud("two").start()
    one.client("s3").create_bucket(Bucket="only-in-one")
    assert two.client("s3").list_buckets()["Buckets"] == []
    assert two.stop() == 0
    assert [b["Name"] for b in one.client("s3").list_buckets()["Buckets"]] == ["only-in-one"]


def test_nothing_listens_off_the_loopback_interface(new_cloud: Factory) -> None:
    cloud = new_cloud().start()
    fill(cloud)
    call(cloud)
    listening = [
        c.laddr
        for process in cloud.processes()
        for c in process.net_connections("inet")
        if c.status == psutil.CONN_LISTEN
    ]
    assert {a.port for a in listening} >= {cloud.ports.gateway, cloud.ports.sagemaker}
    assert {a.ip for a in listening} == {ADDRESS}


def test_the_users_own_aws_settings_reach_nothing(new_cloud: Factory, tmp_path: Path) -> None:
    settings = {
        "AWS_PROFILE": "production",
        "AWS_ACCESS_KEY_ID": "AKIAPRODUCTION",
        "AWS_ENDPOINT_URL": "https://example.invalid",
    }
    cloud = new_cloud().start(**settings)
    function = call(cloud)["environment"]
    for seen in [function, *(p.environ() for p in cloud.processes()[1:])]:
        assert {k: v for k, v in settings.items() if seen.get(k) == v} == {}
    assert not [name for name in function if name.startswith("PIGEONHOLE_")]
    assert function["AWS_ENDPOINT_URL_SAGEMAKER"] == cloud.ports.sagemaker_url


def test_the_command_starts_finds_and_stops_a_cloud(tmp_path: Path) -> None:
    home, port = Home.at(tmp_path / "home"), free_port()
    said: list[str] = []
    started = command.up(home, port, say=said.append)
    try:
        assert started.ready
        assert started.gateway == port
        assert any("MiniStack" in line for line in said)
        assert command.up(home) == started
        with pytest.raises(command.OtherCloud, match=str(port)):
            command.up(home, port + 10)
        processes = [psutil.Process(started.pid)]
        processes += processes[0].children(recursive=True)
    finally:
        assert command.down(home)
    wait_for(lambda: gone(processes), "the cloud to end")
    assert not command.down(home)


def test_the_command_says_why_a_cloud_does_not_start(tmp_path: Path) -> None:
    port = free_port()
    with (
        socket.create_server((ADDRESS, port)),
        pytest.raises(command.CloudNotStarted, match=rf"^port {port} .* --port N|^port {port} "),
    ):
        command.up(Home.at(tmp_path), port)


def test_ctrl_c_stops_it_like_a_termination(new_cloud: Factory) -> None:
    cloud = new_cloud().start()
    processes = cloud.processes()
    assert cloud.process is not None
    os.kill(cloud.process.pid, signal.SIGINT)
    assert cloud.process.wait(60) == 0
    assert gone(processes)
