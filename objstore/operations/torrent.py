"""GetObjectTorrent, which S3 no longer has.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectTorrent.html
"""

from objstore.call import Call, Reply
from objstore.errors import S3Error


async def get_object_torrent(call: Call, *, key: str) -> Reply:
    """Raises NoSuchKey: S3 stopped serving torrents in 2022, so no object has one."""
    raise S3Error("NoSuchKey", Key=key)
