"""Flow 1: data dropped under `datasets/<name>/` becomes a model that is live.

    intake ──► checking ──► training ──► judging ──► deployment
    (what is there)  (preflight, in `work`)  (job, registry)  (gate)  (verify, go live)

`service.Datasets` is the way in; `state` says what is remembered between two calls.
"""
