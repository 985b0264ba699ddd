"""Users, roles and sessions as the aws CLI and boto3 make and use them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import jwt
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import ec

ACCOUNT = "123456789012"
CLI = Callable[..., str]
S3_READ = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"


def policy(action: Any, resource: Any = "*", **elements: Any) -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource, **elements}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust(principal: Any, action: str = "sts:AssumeRole") -> str:
    statement = {"Effect": "Allow", "Action": action, "Principal": principal}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def refusal(call: Callable[..., Any], **members: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**members)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture(scope="module")
def two_workers(serve_for_module: Callable[..., Any]) -> Any:
    return serve_for_module("--dev", "--workers", "2", data="two-workers")


def make_user(server: Any, name: str, *policies: str) -> Any:
    """The server as a new user finds it."""
    iam = server.client("iam")
    iam.create_user(UserName=name)
    for number, text in enumerate(policies):
        iam.put_user_policy(UserName=name, PolicyName=f"p{number}", PolicyDocument=text)
    return server.speaking_for(iam.create_access_key(UserName=name)["AccessKey"])


def test_a_user_and_a_role_by_the_cli(server: Any, aws: CLI, tmp_path: Path) -> None:
    aws(server, "s3", "mb", "s3://cli-identities")
    aws(server, "iam", "create-user", "--user-name", "cli-bob")
    key = json.loads(aws(server, "iam", "create-access-key", "--user-name", "cli-bob"))
    bob = server.speaking_for(key["AccessKey"])
    upload = tmp_path / "upload"
    upload.write_text("hello")
    copy = ("s3", "cp", str(upload), "s3://cli-identities/hello")
    assert "AccessDenied" in aws(bob, *copy, fails=True)
    put = policy(["s3:PutObject", "sts:AssumeRole"])
    aws(
        server,
        *("iam", "put-user-policy", "--user-name", "cli-bob", "--policy-name", "putting"),
        *("--policy-document", put),
    )
    aws(bob, *copy)
    assert "403" in aws(bob, "s3", "cp", "s3://cli-identities/hello", "-", fails=True)
    role = json.loads(
        aws(
            server,
            *("iam", "create-role", "--role-name", "cli-reader"),
            *("--assume-role-policy-document", trust({"AWS": ACCOUNT})),
        )
    )["Role"]["Arn"]
    attach = ("iam", "attach-role-policy", "--role-name", "cli-reader", "--policy-arn", S3_READ)
    aws(server, *attach)
    session = json.loads(
        aws(bob, "sts", "assume-role", "--role-arn", role, "--role-session-name", "reading")
    )["Credentials"]
    reader = server.speaking_for(session)
    assert "assumed-role/cli-reader/reading" in aws(reader, "sts", "get-caller-identity")
    assert aws(reader, "s3", "cp", "s3://cli-identities/hello", "-") == "hello"
    assert "AccessDenied" in aws(reader, *copy, fails=True)


def test_every_worker_sees_a_change_at_its_next_request(two_workers: Any) -> None:
    root = two_workers.client("iam")
    two_workers.client("s3").create_bucket(Bucket="workers")
    bob = make_user(two_workers, "bob", policy("s3:ListBucket", "arn:aws:s3:::workers"))
    # Each client has a connection of its own, so both workers have known the user.
    clients = [bob.client("s3") for _ in range(8)]
    for s3 in clients:
        s3.list_objects_v2(Bucket="workers")
    root.delete_user_policy(UserName="bob", PolicyName="p0")
    for s3 in clients:
        code, message = refusal(s3.list_objects_v2, Bucket="workers")
        assert code == "AccessDenied"
        assert f"User: arn:aws:iam::{ACCOUNT}:user/bob is not authorized" in message
    root.update_access_key(UserName="bob", AccessKeyId=bob.access_key_id, Status="Inactive")
    for s3 in clients:
        assert refusal(s3.list_objects_v2, Bucket="workers")[0] == "InvalidAccessKeyId"
    sts = bob.client("sts")
    assert refusal(sts.get_caller_identity)[0] == "InvalidClientTokenId"


def test_identities_outlive_the_server(serve: Callable[..., Any]) -> None:
    server = serve("--dev")
    server.client("s3").create_bucket(Bucket="lasting")
    bob = make_user(server, "bob", policy("s3:*"))
    session = bob.client("sts").get_session_token()["Credentials"]
    server.stop()
    again = serve("--dev")
    for key in (
        {"AccessKeyId": bob.access_key_id, "SecretAccessKey": bob.secret_access_key},
        session,
    ):
        known = again.speaking_for(key)
        assert known.client("sts").get_caller_identity()["Arn"].endswith(":user/bob")
        known.client("s3").put_object(Bucket="lasting", Key="k", Body=b"")
    log = again.data.with_suffix(".log").read_text()
    assert bob.secret_access_key not in log
    assert session["SessionToken"] not in log


def status_of(url: str) -> int:
    with pytest.raises(HTTPError) as caught:
        urlopen(url)
    caught.value.close()
    return caught.value.code


def test_sessions_are_bound_to_their_tokens(server: Any) -> None:
    bob = make_user(server, "bound-bob", policy("s3:*"))
    server.client("s3").create_bucket(Bucket="bound")
    first, second = [bob.client("sts").get_session_token()["Credentials"] for _ in range(2)]
    url = (
        server.speaking_for(first)
        .client("s3", config=Config(signature_version="s3v4"))
        .generate_presigned_url("get_object", Params={"Bucket": "bound", "Key": "k"})
    )
    assert status_of(url) == 404
    assert status_of(url.replace("X-Amz-Security-Token", "X-Amz-Other")) == 403
    for changes, code in (
        ({"SessionToken": second["SessionToken"]}, "InvalidToken"),
        ({"SessionToken": first["SessionToken"][:-4] + "AAA="}, "InvalidToken"),
        ({"SessionToken": ""}, "InvalidAccessKeyId"),
        ({"SecretAccessKey": second["SecretAccessKey"]}, "SignatureDoesNotMatch"),
    ):
        wrong = server.speaking_for({**first, **changes}).client("s3")
        assert refusal(wrong.list_objects_v2, Bucket="bound")[0] == code


def test_paginators_and_waiters_of_boto3(server: Any) -> None:
    iam = server.client("iam")
    for number in range(7):
        iam.create_user(UserName=f"page-{number}", Path="/paged/")
    iam.get_waiter("user_exists").wait(UserName="page-6")
    pages = iam.get_paginator("list_users").paginate(
        PathPrefix="/paged/", PaginationConfig={"PageSize": 3}
    )
    names = [[user["UserName"] for user in page["Users"]] for page in pages]
    assert [len(page) for page in names] == [3, 3, 1]
    details = iam.get_paginator("get_account_authorization_details").paginate(
        Filter=["User"], PaginationConfig={"PageSize": 2}
    )
    found = [user["UserName"] for page in details for user in page["UserDetailList"]]
    assert {name for page in names for name in page} <= set(found)


def test_documents_come_back_as_they_were_sent(server: Any) -> None:
    iam = server.client("iam")
    text = policy("s3:GetObject", "arn:aws:s3:::bücket/ä b/*")
    made = iam.create_policy(PolicyName="round", PolicyDocument=text, Path="/p/")["Policy"]
    shown = iam.get_policy_version(PolicyArn=made["Arn"], VersionId="v1")["PolicyVersion"]
    assert shown["Document"] == json.loads(text)
    assert (made["Path"], made["AttachmentCount"]) == ("/p/", 0)
    assert refusal(iam.create_policy, PolicyName="bad", PolicyDocument="{}") == (
        "MalformedPolicyDocument",
        "Policy document must be version 2012-10-17 or greater.",
    )
    assert refusal(iam.create_user, UserName="a" * 65, Path="x") == (
        "ValidationError",
        "2 validation errors detected: Value at 'path' failed to satisfy constraint: Member must "
        "satisfy regular expression pattern: (\\u002F)|(\\u002F[\\u0021-\\u007E]+\\u002F); Value "
        "at 'userName' failed to satisfy constraint: Member must have length less than or equal "
        "to 64",
    )


SEED = f"""
[[users]]
name = "eve"
account = "111122223333"
access_key_id = "AKIASEEDEDEVE"
secret_access_key = "seeded-secret"
inline = {{ assume = '{policy("sts:AssumeRole")}' }}

[[roles]]
name = "shared"
trust = '{trust({"AWS": "111122223333"})}'
policies = ["{S3_READ}"]
tags = {{ team = "a" }}

[[buckets]]
name = "seeded"
"""


def test_another_account_assumes_a_seeded_role(serve: Callable[..., Any], tmp_path: Path) -> None:
    seed = tmp_path / "seed.toml"
    seed.write_text(SEED)
    server = serve("--dev", "--seed", str(seed))
    eve = server.speaking_for({"AccessKeyId": "AKIASEEDEDEVE", "SecretAccessKey": "seeded-secret"})
    assert refusal(eve.client("s3").list_objects_v2, Bucket="seeded")[0] == "AccessDenied"
    role = f"arn:aws:iam::{ACCOUNT}:role/shared"
    session = eve.client("sts").assume_role(RoleArn=role, RoleSessionName="eve")["Credentials"]
    shared = server.speaking_for(session).client("s3")
    assert shared.list_objects_v2(Bucket="seeded")["KeyCount"] == 0
    missing = f"arn:aws:iam::{ACCOUNT}:role/none"
    code, message = refusal(eve.client("sts").assume_role, RoleArn=missing, RoleSessionName="eve")
    assert (code, message) == (
        "AccessDenied",
        "User: arn:aws:iam::111122223333:user/eve is not authorized to perform: sts:AssumeRole on "
        f"resource: {missing}",
    )


def test_a_web_identity_becomes_a_role(serve: Callable[..., Any], aws: CLI, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    jwks = tmp_path / "jwks.json"
    jwks.write_text(json.dumps({"keys": [public]}))
    server = serve("--dev", "--oidc", f"https://ci.example.com={jwks}")
    iam = server.client("iam")
    provider = iam.create_open_id_connect_provider(
        Url="https://ci.example.com", ClientIDList=["sts.amazonaws.com"]
    )["OpenIDConnectProviderArn"]
    document = trust({"Federated": provider}, "sts:AssumeRoleWithWebIdentity")
    role = iam.create_role(RoleName="ci", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    now = datetime.now(UTC)
    claims = {
        "iss": "https://ci.example.com",
        "sub": "repo:objstore",
        "aud": "sts.amazonaws.com",
        "iat": now,
        "exp": now + timedelta(minutes=5),
    }
    token = tmp_path / "token"
    token.write_text(jwt.encode(claims, key, "ES256"))
    sts = server.client("sts", config=Config(signature_version=UNSIGNED))
    reply = sts.assume_role_with_web_identity(
        RoleArn=role, RoleSessionName="ci", WebIdentityToken=token.read_text()
    )
    assert reply["SubjectFromWebIdentityToken"] == "repo:objstore"
    # The way in which pods and build jobs do it: two variables, and no access key.
    environment = {
        **{k: v for k, v in server.environment().items() if "ACCESS_KEY" not in k},
        "AWS_ROLE_ARN": role,
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
        "AWS_ROLE_SESSION_NAME": "pod",
    }
    command = [sys.executable, "-m", "awscli", "sts", "get-caller-identity"]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(shown.stdout)["Arn"].endswith(":assumed-role/ci/pod")
    assert os.environ.get("AWS_ROLE_ARN") is None
