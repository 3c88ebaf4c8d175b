"""The local cloud: MiniStack, and a SageMaker beside it that runs jobs and endpoints for real."""
