"""Bayesian search: Optuna's tree-structured Parzen estimator (TPE) proposes.

SageMaker has an implementation of Bayesian optimization of its own, over Gaussian processes, which
is not published: the values that it tries are others than these, the aim is the same.

TPE (Bergstra et al., "Algorithms for Hyper-Parameter Optimization", 2011) models the values of the
better trials and of the others, and proposes where their ratio is best. The first five are drawn at
random. Running trials count as bad ones ("constant liar"), so that parallel trials spread out.

Optuna takes half a second and 40 MB to import: done when the first search needs it.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from localcloud.sagemaker.tuning.ranges import Continuous, Integer, Range, Space, Values
from localcloud.sagemaker.tuning.search import Observation, RandomSearch

_AT_RANDOM = 5  # Optuna's ten would leave a job of ten trials nothing to learn from


@dataclass(frozen=True)
class BayesianSearch:
    """Values where better ones are to be expected. `maximize`: greater objectives are better."""

    space: Space
    seed: str
    maximize: bool

    def suggest(self, number: int, seen: Sequence[Observation]) -> Values | None:
        values = self._proposed(number, seen)
        if self.space.count < float("inf") and values in [o.values for o in seen]:
            return RandomSearch(self.space, self.seed).suggest(number, seen)
        return values

    def _proposed(self, number: int, seen: Sequence[Observation]) -> Values:
        import optuna  # noqa: PLC0415 - see above

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        distributions = {r.name: _distribution(r, optuna.distributions) for r in self.space.ranges}
        digest = hashlib.sha256(f"{self.seed}/{number}".encode()).digest()
        sampler = optuna.samplers.TPESampler(
            n_startup_trials=_AT_RANDOM,
            seed=int.from_bytes(digest[:4], "big"),
            multivariate=False,
            constant_liar=True,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study = optuna.create_study(
                direction="maximize" if self.maximize else "minimize", sampler=sampler
            )
            for observation in seen:
                known = self._encoded(observation.values)
                if known is None or (observation.value is None and not observation.running):
                    continue
                state = optuna.trial.TrialState
                study.add_trial(
                    optuna.trial.create_trial(
                        params=known,
                        distributions=distributions,
                        value=observation.value,
                        state=state.RUNNING if observation.value is None else state.COMPLETE,
                    )
                )
            asked = study.ask(distributions)
        return {r.name: _text(r, asked.params[r.name]) for r in self.space.ranges}

    def _encoded(self, values: Values) -> dict[str, Any] | None:
        """Values as Optuna knows them; None when one is missing or outside its range."""
        known: dict[str, Any] = {}
        for r in self.space.ranges:
            text = values.get(r.name)
            if text is None:
                return None
            if isinstance(r, Continuous):
                known[r.name] = r.position(text)
            elif isinstance(r, Integer):
                known[r.name] = r.value(text)
            else:
                known[r.name] = text if text in r.values else None
            if known[r.name] is None:
                return None
        return known


def _distribution(r: Range, kinds: Any) -> Any:
    if isinstance(r, Continuous):
        return kinds.FloatDistribution(0.0, 1.0)
    if isinstance(r, Integer):
        return kinds.IntDistribution(r.low, r.high, log=r.scale == "Logarithmic")
    return kinds.CategoricalDistribution(r.all())


def _text(r: Range, value: Any) -> str:
    return r.at(value) if isinstance(r, Continuous) else str(value)
