"""Train an image classifier from CSVs, judge it, write the artifact that is served.

`train_and_evaluate` in `job.py` is the one public call; `../train.py` is the entry that SageMaker
runs. The code sits in a package of its own, beside `train.py`, so that one spelling of every import
(`from pigeonhole_training.x import y`) holds in the container, where script mode puts this folder's
parent at `/opt/ml/code`, and in tests, where the parent is put on `sys.path`.
"""
