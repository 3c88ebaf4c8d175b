"""The `pigeonhole` command: what a person does with the service, over AWS APIs and our HTTP API."""
