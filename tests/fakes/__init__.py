"""The cloud in memory: adapters with the same contract as the real ones, plus time and sudden death.

`tests/contract/app` runs the same tests on these and on the real services.
"""
