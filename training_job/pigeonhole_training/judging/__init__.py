"""How good a model is: alone, calibrated, and beside the champion."""
