"""Flow 2: one request, one answer of the champion."""
