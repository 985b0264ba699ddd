from typing import Any

ACCOUNT = "123456789012"


async def test_a_secret_is_shown_once(world: Any) -> None:
    await world.iam("CreateUser", user_name="bob")
    made = (await world.iam("CreateAccessKey", user_name="bob"))["AccessKey"]
    assert (len(made["AccessKeyId"]), made["AccessKeyId"][:4]) == (20, "AKIA")
    assert len(made["SecretAccessKey"]) == 40
    assert (made["Status"], made["UserName"]) == ("Active", "bob")
    [listed] = (await world.iam("ListAccessKeys", user_name="bob"))["AccessKeyMetadata"]
    assert listed == {name: made[name] for name in made if name != "SecretAccessKey"}
    assert world.find(made["AccessKeyId"]).secret_access_key == made["SecretAccessKey"]


async def test_keys_are_switched_off_and_on(world: Any) -> None:
    await world.iam("CreateUser", user_name="bob")
    key = (await world.iam("CreateAccessKey", user_name="bob"))["AccessKey"]["AccessKeyId"]
    for status in ("Inactive", "Active"):
        await world.iam("UpdateAccessKey", user_name="bob", access_key_id=key, status=status)
        [listed] = (await world.iam("ListAccessKeys", user_name="bob"))["AccessKeyMetadata"]
        assert listed["Status"] == status
        found = world.accounts.credentials.find(key)
        assert (found is not None) == (status == "Active")
    code, _ = await world.refused(
        "UpdateAccessKey", user_name="bob", access_key_id=key, status="Expired"
    )
    assert code == "InvalidInput"


async def test_a_user_has_two_keys_at_most(world: Any) -> None:
    await world.iam("CreateUser", user_name="bob")
    for _ in range(2):
        await world.iam("CreateAccessKey", user_name="bob")
    assert await world.refused("CreateAccessKey", user_name="bob") == (
        "LimitExceeded",
        "Cannot exceed quota for AccessKeysPerUser: 2",
    )


async def test_keys_of_others_are_not_found(world: Any) -> None:
    await world.iam("CreateUser", user_name="alice")
    await world.user("bob")
    [key] = (await world.iam("ListAccessKeys", user_name="bob"))["AccessKeyMetadata"]
    missing = (
        "NoSuchEntity",
        f"The Access Key with id {key['AccessKeyId']} cannot be found.",
    )
    members = {"user_name": "alice", "access_key_id": key["AccessKeyId"]}
    assert await world.refused("DeleteAccessKey", **members) == missing
    assert await world.refused("UpdateAccessKey", status="Inactive", **members) == missing
    await world.iam("DeleteAccessKey", user_name="bob", access_key_id=key["AccessKeyId"])
    members["user_name"] = "bob"
    assert await world.refused("DeleteAccessKey", **members) == missing


async def test_the_last_use(world: Any) -> None:
    bob = await world.user()
    [key] = (await world.iam("ListAccessKeys", user_name="bob"))["AccessKeyMetadata"]
    key_id = key["AccessKeyId"]
    never = await world.iam("GetAccessKeyLastUsed", access_key_id=key_id)
    assert never == {
        "UserName": "bob",
        "AccessKeyLastUsed": {"ServiceName": "N/A", "Region": "N/A"},
    }
    world.accounts.credentials.note_use(world.find(key_id), "s3", "eu-west-1")
    await world.store.identities.change(lambda rows: None)
    used = (await world.iam("GetAccessKeyLastUsed", access_key_id=key_id))["AccessKeyLastUsed"]
    assert (used["ServiceName"], used["Region"]) == ("s3", "eu-west-1")
    assert used["LastUsedDate"].timestamp() == world.wall.now()
    code, message = await world.refused(
        "GetAccessKeyLastUsed", caller=bob, access_key_id="AKIAIOSFODNN7EXAMPLE"
    )
    assert (code, message) == (
        "AccessDenied",
        f"User: {bob.arn} is not authorized to perform iam:GetAccessKeyLastUsed on resource: "
        "access key AKIAIOSFODNN7EXAMPLE",
    )


async def test_who_is_no_user_must_name_one(world: Any) -> None:
    for operation in ("CreateAccessKey", "ListAccessKeys"):
        assert await world.refused(operation) == (
            "ValidationError",
            "Must specify userName when calling with non-User credentials",
        )
