from typing import Any

from kms.aws.model import load
from objstore.account import iam, sts


def test_everything_that_is_supported_is_in_the_model() -> None:
    assert iam.OPERATIONS.keys() <= load("iam").operations.keys()
    assert sts.OPERATIONS.keys() <= load("sts").operations.keys()
    assert list(iam.OPERATIONS) == sorted(iam.OPERATIONS)
    assert list(sts.OPERATIONS) == sorted(sts.OPERATIONS)


async def test_the_services_share_what_they_know(world: Any) -> None:
    bob = await world.user()
    assert (await world.sts("GetCallerIdentity", caller=bob))["Arn"] == bob.arn
    assert world.accounts.iam.service == "iam"
    assert world.accounts.sts.service == "sts"
