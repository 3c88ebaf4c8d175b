"""`pigeonhole package`, `deploy` and `destroy`: stages in the user's AWS account."""

from __future__ import annotations

import boto3
import typer
from rich.console import Console

from cli.commands.up import BUILD, REPOSITORY
from cli.console import make_console, shown
from cli.errors import UsageError
from cli.stack.deploy import LOCAL
from cli.stack.deploy import deploy as deploy_stack
from cli.stack.destroy import check_unused
from cli.stack.destroy import destroy as destroy_stack
from cli.stack.errors import DestroyRefused
from cli.stack.package import package as package_stage


def package(stage: str) -> int:
    """Build the package without deploying it."""
    console = make_console()
    with console.status("Packaging"):
        built = package_stage(REPOSITORY, stage, BUILD, console.print)
    console.print(f"Functions: {shown(built.zip_path)}", style="bold green")
    return 0


def deploy(stage: str, email: str | None = None) -> int:
    """Create or update the stage's stack; says where it is.

    email: who gets the notices; None: whoever did.
    """
    _refuse_local(stage, "up")
    console = make_console()
    with console.status(f"Deploying stage {stage}"):
        done = deploy_stack(boto3.Session(), REPOSITORY, stage, BUILD, console.print, email=email)
    console.print(f"Stage {stage} is deployed.", style="bold green")
    console.print(f"  bucket    s3://{done.bucket}")
    console.print(f"  HTTP API  {done.api}")
    if done.api_key_id:
        console.print(
            "  API key   aws apigateway get-api-key --include-value --query value --output text "
            f"--api-key {done.api_key_id}"
        )
    console.print(f"  notices   {done.outputs['NotificationTopicArn']}")
    if email:
        console.print(f"AWS has asked {email} to confirm: notices go out from then on.")
    return 0


def destroy(stage: str, *, delete_data: bool, yes: bool) -> int:
    """Delete the stage's stack, and its data when told to; asks first."""
    _refuse_local(stage, "down")
    console = make_console()
    session = boto3.Session()
    if not yes:
        _ask(session, stage, delete_data, console)
    with console.status(f"Deleting stage {stage}"):
        destroy_stack(session, stage, delete_data, console.print)
    console.print(f"Stage {stage} is deleted.", style="bold green")
    return 0


def _ask(session: boto3.Session, stage: str, delete_data: bool, console: Console) -> None:
    try:
        check_unused(session, stage)
    except DestroyRefused as error:
        console.print(str(error))
    what = "and all its data" if delete_data else "but not its bucket's data"
    if not typer.confirm(f"Delete stage {stage}, {what}?"):
        raise UsageError("Nothing was deleted.")


def _refuse_local(stage: str, command: str) -> None:
    if stage == LOCAL:
        raise UsageError(f"Stage local lives in the local cloud: `pigeonhole {command}` is for it.")
