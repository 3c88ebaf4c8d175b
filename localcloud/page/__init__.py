"""The page of the local cloud: what runs, live, in a browser on this machine."""

from localcloud.page.about import About
from localcloud.page.history import OlderLines, told_events
from localcloud.page.routes import Parts, routes
from localcloud.page.series import Series, WatchedMetrics

__all__ = [
    "About",
    "OlderLines",
    "Parts",
    "Series",
    "WatchedMetrics",
    "routes",
    "told_events",
]
