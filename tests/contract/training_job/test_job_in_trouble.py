"""The job as SageMaker runs it, where something is wrong: its reason, its exit status."""

from __future__ import annotations

import signal
from pathlib import Path

from .container import new_job, read


def test_a_champion_that_cannot_be_judged_costs_no_model(tmp_path: Path) -> None:
    (tmp_path / "champion").mkdir()
    (tmp_path / "champion" / "model.tar.gz").write_bytes(b"no archive")
    job = new_job(tmp_path / "job")
    result = job.run("--epochs", "1", champion=tmp_path / "champion")
    assert result.returncode == 0, result.stdout + result.stderr
    sentence = (
        "There is no comparison with the champion: the champion's model.tar.gz cannot be read"
    )
    assert sentence in result.stdout
    assert "no comparison with the champion" in (job.data / "reports" / "index.html").read_text(
        encoding="utf-8"
    )
    evaluation = read(job.data / "evaluation.json")
    assert (evaluation["champion"], evaluation["paired"]) == (None, None)
    assert (job.model / "model.json").is_file()


def test_changed_data_fails_before_training_with_its_reason(tmp_path: Path) -> None:
    job = new_job(tmp_path)
    path = job.folder / "train" / "b_test.csv"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    result = job.run()
    assert result.returncode == 1
    assert job.failure == "data changed: b_test.csv has other content than when it was checked"
    assert "Traceback" in result.stderr
    assert "Loading Keras" not in result.stdout
    assert not job.model.exists()


def test_a_hyperparameter_that_cannot_be_used_is_the_reason(tmp_path: Path) -> None:
    job = new_job(tmp_path)
    assert job.run("--epochs", "many").returncode == 1
    assert job.failure.startswith("a hyperparameter cannot be used: argument --epochs")


def test_sigterm_ends_the_job_with_nothing_half_written(tmp_path: Path) -> None:
    job = new_job(tmp_path)
    # far more epochs than it could finish, and a rate that never stops improving early
    process = job.start("--epochs", "1000", "--learning_rate", "0.000001")
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch=1;"):
            process.send_signal(signal.SIGTERM)
            break
    process.communicate(timeout=120)
    assert process.returncode == 1
    assert job.failure == "stopped"
    assert list((job.folder / "checkpoints").glob("checkpoint-*.npz"))
    assert not job.model.exists()
    assert not job.data.exists()
