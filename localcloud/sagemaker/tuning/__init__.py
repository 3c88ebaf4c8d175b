"""Hyperparameter tuning jobs: a search over the hyperparameters of training jobs that really run.

    ranges.py      the ranges of a request, their scales, and values as text
    search.py      which values to try next: at random, all of a grid, or by Optuna (bayesian.py)
    stopping.py    which running trial is not worth its time: median rule, Hyperband's rungs
    criteria.py    when the whole job is over
    trials.py      the trials: training jobs, read back from the store
    plan.py        a request, parsed
    warm_start.py  what a job learns from its parents
    runner.py      one tuning job from start to end

Everything that a job knows lies in the store: its request, its seed, and its trials with what they
printed. So a job that a kill -9 interrupts goes on where it was.
"""
