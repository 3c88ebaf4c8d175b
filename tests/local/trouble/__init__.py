"""The flow on bad days, on a real local cloud: after each, what people rely on is true."""
