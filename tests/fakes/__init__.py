"""The cloud in memory: adapters with the contract of the real ones, plus time and sudden death.

`tests/contract/app` runs the same tests on these and on the real services.
"""
