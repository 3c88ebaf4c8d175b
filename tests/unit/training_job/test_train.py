"""One call from rows to a trained network: what a run's checkpoints are checkpoints of."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pigeonhole_training.config import Hyperparameters, JobConfig
from pigeonhole_training.data.split import Split
from pigeonhole_training.data.version import DatasetVersion
from pigeonhole_training.errors import Stopped
from pigeonhole_training.progress import StopFlag
from train import choose_backend

choose_backend(os.environ)

from pigeonhole_training.fitting.engines import open_engine  # noqa: E402
from pigeonhole_training.fitting.train import train  # noqa: E402

from .fitted import bars  # noqa: E402


def test_other_pretrained_weights_are_another_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "weights").mkdir()
    file = tmp_path / "weights" / "some.h5"
    file.write_bytes(b"one")

    def stopped_after_a_step() -> str:
        config = JobConfig(
            train_dir=tmp_path,
            version_dir=tmp_path,
            champion_dir=None,
            model_dir=tmp_path,
            output_data_dir=tmp_path,
            checkpoint_dir=tmp_path / "checkpoints",
            weights_dir=tmp_path / "weights",
            training_job="job",
            hyperparameters=Hyperparameters("dense-128", batch_size=16),
        )
        stop = StopFlag()
        stop.set()
        training, validation = bars(64, 1), bars(16, 2)
        version = DatasetVersion(
            dataset="bars",
            version="ab" * 32,
            classes=("left", "middle", "right"),
            labels=("0", "1", "2"),
            files=(),
            given_shape=None,
        )
        split = Split(training, validation, validation, "split")
        with pytest.raises(Stopped):
            train(config, version, split, open_engine(), stop=stop)
        return capsys.readouterr().out

    assert "Resuming" not in stopped_after_a_step()
    assert "Resuming after step 1 of epoch 1" in stopped_after_a_step()
    file.write_bytes(b"other")
    assert "not used: its run had another pretrained weights" in stopped_after_a_step()
