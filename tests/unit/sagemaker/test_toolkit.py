"""Script mode: what the script is given, and what it leaves behind."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from localcloud.toolkit import (
    ToolkitError,
    cluster_variables,
    command_arguments,
    framework_parameters,
    tuned_model_dir,
    user_hyperparameters,
    worker_address,
)

TOOLKIT = Path(__file__).resolve().parents[3] / "localcloud" / "toolkit.py"
SHOW = (
    "import json, os, sys\n"
    "json.dump({'argv': sys.argv[1:], 'env': dict(os.environ), 'cwd': os.getcwd()},\n"
    "          open(os.environ['SM_MODEL_DIR'] + '/seen.json', 'w'))\n"
)


def job(base: Path, script: str, hyperparameters: dict[str, str] | None = None) -> None:
    """Lay out a job's tree whose archive has this train.py."""
    config = base / "input" / "config"
    config.mkdir(parents=True)
    archive = base / "sourcedir.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("train.py", "requirements.txt"):
            info = tarfile.TarInfo(name)
            data = script.encode() if name == "train.py" else b"numpy\n"
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    given = {
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": str(archive),
        **(hyperparameters or {}),
    }
    (config / "hyperparameters.json").write_text(json.dumps(given))
    channels = {"train": {"TrainingInputMode": "File"}, "version": {}}
    (config / "inputdataconfig.json").write_text(json.dumps(channels))
    resources = {
        "current_host": "algo-1",
        "hosts": ["algo-1"],
        "current_instance_type": "ml.m5.large",
    }
    (config / "resourceconfig.json").write_text(json.dumps(resources))


def run(base: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "SAGEMAKER_BASE_DIR": str(base)}
    return subprocess.run(
        [sys.executable, str(TOOLKIT), "train"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_script_gets_arguments_variables_and_folders(tmp_path: Path) -> None:
    job(tmp_path, SHOW, {"epochs": "3", "b": "true", "s": '"q"'})
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    seen = json.loads((tmp_path / "model" / "seen.json").read_text())
    assert seen["argv"] == ["-b", "True", "--epochs", "3", "-s", "q"]
    assert seen["cwd"] == str(tmp_path / "code")
    environment = seen["env"]
    assert environment["SM_CHANNEL_TRAIN"] == str(tmp_path / "input/data/train")
    assert environment["SM_CHANNEL_VERSION"] == str(tmp_path / "input/data/version")
    assert json.loads(environment["SM_CHANNELS"]) == ["train", "version"]
    assert json.loads(environment["SM_HPS"]) == {"b": True, "epochs": 3, "s": "q"}
    assert environment["SM_HP_EPOCHS"] == "3"
    assert environment["SM_OUTPUT_DATA_DIR"] == str(tmp_path / "output/data")
    assert environment["SM_CURRENT_HOST"] == "algo-1"
    assert json.loads(environment["SM_TRAINING_ENV"])["module_name"] == "train"
    assert "requirements.txt is not installed" in done.stdout
    assert (tmp_path / "output/success").exists()
    assert not (tmp_path / "output/failure").exists()


def test_failing_script_leaves_its_status_and_last_words(tmp_path: Path) -> None:
    job(tmp_path, "raise ValueError('no rows')")
    done = run(tmp_path)
    assert done.returncode == 1
    failure = (tmp_path / "output/failure").read_text()
    assert failure.startswith("ExecuteUserScriptError:\nExitCode 1\n")
    assert "no rows" in failure
    assert "no rows" in done.stderr


def test_the_scripts_own_failure_file_is_kept(tmp_path: Path) -> None:
    job(
        tmp_path,
        "import os, sys\n"
        "open(os.environ['SM_OUTPUT_DIR'] + '/failure', 'w').write('data changed')\nsys.exit(3)",
    )
    assert run(tmp_path).returncode == 3
    assert (tmp_path / "output/failure").read_text() == "data changed"


def test_code_that_is_there_already_is_not_replaced(tmp_path: Path) -> None:
    job(tmp_path, "raise SystemExit(9)")
    (tmp_path / "code").mkdir()
    (tmp_path / "code/train.py").write_text("print('baked in')")
    assert "baked in" in run(tmp_path).stdout


@pytest.mark.parametrize(
    ("hyperparameters", "reason"),
    [
        ({"sagemaker_program": "other.py"}, "has no other.py"),
        ({"sagemaker_program": ""}, "sagemaker_program is not set"),
        ({"sagemaker_submit_directory": "/nowhere"}, "/nowhere is not there"),
    ],
)
def test_job_that_cannot_start_says_why(
    tmp_path: Path, hyperparameters: dict[str, str], reason: str
) -> None:
    job(tmp_path, SHOW, hyperparameters)
    assert run(tmp_path).returncode == 1
    assert reason in (tmp_path / "output/failure").read_text()


def test_sigterm_reaches_the_script(tmp_path: Path) -> None:
    job(
        tmp_path,
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('saving'), sys.exit(0)))\n"
        "print('ready')\nwhile True: time.sleep(0.05)",
    )
    process = subprocess.Popen(
        [sys.executable, str(TOOLKIT), "train"],
        env={"PATH": os.environ["PATH"], "SAGEMAKER_BASE_DIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert any(line == "ready\n" for line in iter(process.stdout.readline, ""))
    process.send_signal(signal.SIGTERM)
    assert "saving" in process.communicate()[0]
    assert process.returncode == 0


def test_arguments_are_sorted_and_short_names_have_one_dash() -> None:
    given = {"z": 1, "b_c": [1, 2], "a": "x"}
    assert command_arguments(given) == ["-a", "x", "--b_c", "[1, 2]", "-z", "1"]


def test_the_toolkits_own_hyperparameters_are_not_passed_on() -> None:
    given = {"sagemaker_region": "r", "_tuning_objective_metric": "m", "epochs": 1}
    assert user_hyperparameters(given) == {"epochs": 1}


MIRRORED = "sagemaker_multi_worker_mirrored_strategy_enabled"


def test_frameworks_find_the_jobs_switches() -> None:
    given = {"sagemaker_program": "t.py", "sagemaker_mine": 1, "epochs": 1}
    assert framework_parameters(given) == {"sagemaker_mine": 1}


def test_trials_of_a_tuning_job_have_a_model_dir_each(tmp_path: Path) -> None:
    assert tuned_model_dir("s3://b/m", "job") == "s3://b/m/job/model"
    assert tuned_model_dir("/opt/ml/model", "job") == "/opt/ml/model"
    job(tmp_path, SHOW, {"_tuning_objective_metric": "loss"})
    assert run(tmp_path).returncode == 0
    seen = json.loads((tmp_path / "model" / "seen.json").read_text())
    assert seen["argv"] == ["--model_dir", "None/None/model"]


def test_each_host_finds_itself_and_all_workers_in_tf_config() -> None:
    resources = {"hosts": ["localhost", "127.77.1.2"], "current_host": "127.77.1.2"}
    variables = cluster_variables(resources, {MIRRORED: True})
    assert json.loads(variables["TF_CONFIG"]) == {
        "cluster": {"worker": ["localhost:24826", "127.77.1.2:20001"]},
        "environment": "cloud",
        "task": {"index": 1, "type": "worker"},
    }
    assert cluster_variables(resources, {}) == {}


def test_workers_on_one_machine_have_ports_of_their_own() -> None:
    def ports(address: str) -> str:
        return worker_address("algo-1", look_up=lambda _: address)

    pool = [f"127.77.{high}.{low}" for high in range(1, 21) for low in range(1, 255)]
    assert len({ports(address) for address in pool}) == len(pool)
    assert ports(pool[0]) == "algo-1:20000"
    assert ports(pool[-1]) == "algo-1:25079"
    assert ports("10.0.3.4") == "algo-1:8890"


def test_a_single_host_needs_no_name() -> None:
    assert worker_address("nobody.invalid", alone=True, look_up=unknown).startswith("127.0.0.1:")
    with pytest.raises(ToolkitError, match=r"algo-2 does not resolve"):
        worker_address("algo-2", look_up=unknown)


def unknown(_: str) -> str:
    raise OSError("unknown")


@pytest.mark.parametrize(
    ("name", "hosts", "runs"),
    [
        ("sagemaker_mpi_enabled", ["algo-1"], False),
        ("sagemaker_distributed_dataparallel_enabled", ["algo-1"], False),
        ("sagemaker_parameter_server_enabled", ["algo-1", "algo-2"], False),
        ("sagemaker_parameter_server_enabled", ["algo-1"], True),
    ],
)
def test_other_ways_to_distribute_are_refused(name: str, hosts: list[str], runs: bool) -> None:
    if runs:
        assert cluster_variables({"hosts": hosts}, {name: True}) == {}
        return
    with pytest.raises(ToolkitError, match=f"{name} is not supported"):
        cluster_variables({"hosts": hosts}, {name: True})
