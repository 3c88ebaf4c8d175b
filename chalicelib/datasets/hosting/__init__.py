"""Which model is live: verified, deployed, brought back, tidied up after."""
