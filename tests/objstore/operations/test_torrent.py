from typing import Any

import pytest

from kms.aws.errors import AWSError


async def test_there_are_no_torrents(s3: Any) -> None:
    await s3.put("k", b"data")
    with pytest.raises(AWSError) as caught:
        await s3.call("GetObjectTorrent", key="k")
    assert (caught.value.status, caught.value.code) == (404, "NoSuchKey")
