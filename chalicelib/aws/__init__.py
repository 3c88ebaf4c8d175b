"""Adapters: the only code that speaks to AWS. botocore's ClientError ends here."""
