from __future__ import annotations

from typing import Any

from cli.stack.template import completed, environment, located

TYPES = "x-amazon-apigateway-binary-media-types"


def template() -> dict[str, Any]:
    return {
        "Parameters": {"Stage": {"Type": "String"}},
        "Globals": {"Function": {"Environment": {"Variables": {"BUCKET": {"Ref": "DataBucket"}}}}},
        "Resources": {
            "WorkRole": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "Policies": [
                        {
                            "PolicyName": "work",
                            "PolicyDocument": {
                                "Statement": [
                                    {"Resource": ["${DataBucket.Arn}/a/*", "*"]},
                                    {"Resource": {"Fn::Sub": "${StateTable.Arn}"}},
                                ]
                            },
                        }
                    ]
                },
            },
            "Work": {
                "Type": "AWS::Serverless::Function",
                "Properties": {
                    "CodeUri": "./deployment.zip",
                    "Environment": {"Variables": {"STAGE": "dev"}},
                },
            },
            "RestAPI": {
                "Type": "AWS::Serverless::Api",
                "Properties": {"DefinitionBody": {TYPES: ["image/png", "*/*"]}},
            },
        },
    }


def test_variables_in_policies_are_substituted_once() -> None:
    role = completed(template(), "dev")["Resources"]["WorkRole"]
    statements = role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    assert statements[0]["Resource"] == [{"Fn::Sub": "${DataBucket.Arn}/a/*"}, "*"]
    assert statements[1]["Resource"] == {"Fn::Sub": "${StateTable.Arn}"}


def test_the_stage_that_was_packaged_is_the_default() -> None:
    assert completed(template(), "dev")["Parameters"]["Stage"]["Default"] == "dev"


def test_only_the_local_cloud_is_told_the_binary_types_twice() -> None:
    local = completed(template(), "local")["Resources"]["RestAPI"]["Properties"]
    assert local["BinaryMediaTypes"] == ["*/*", "image/png"]
    on_aws = completed(template(), "dev")["Resources"]["RestAPI"]["Properties"]
    assert "BinaryMediaTypes" not in on_aws


def test_functions_are_located_and_the_template_given_stays_as_it_was() -> None:
    given = template()
    ready = located(completed(given, "dev"), "artifacts", "functions/1.zip")
    code = ready["Resources"]["Work"]["Properties"]["CodeUri"]
    assert code == {"Bucket": "artifacts", "Key": "functions/1.zip"}
    assert given == template()


def test_a_function_sees_the_shared_variables_and_its_own() -> None:
    assert environment(template(), "Work") == {"BUCKET": {"Ref": "DataBucket"}, "STAGE": "dev"}
