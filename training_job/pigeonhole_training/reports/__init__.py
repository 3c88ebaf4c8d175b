"""Reports: plain files that open by themselves, and one HTML page that ties them together."""
