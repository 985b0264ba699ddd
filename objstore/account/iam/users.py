"""Users.

Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateUser.html and its like.
"""

from kms.aws import arn
from kms.aws.clock import utc
from kms.aws.identity import PrincipalKind
from objstore.account.call import Call, Reply
from objstore.account.entities import USER, group_shape, user_shape
from objstore.account.ids import new_unique_id
from objstore.account.paging import FIRST_PAGE, Page, page_of
from objstore.account.relations import (
    MEMBER,
    boundary_keys,
    bounded,
    check_no_policies,
    conflict,
    groups_of,
)
from objstore.account.tags import TagList, read_tags, request_keys
from objstore.storage.records import Identity


def create_user(
    call: Call,
    *,
    user_name: str,
    path: str | None = None,
    permissions_boundary: str | None = None,
    tags: TagList | None = None,
) -> Reply:
    """Make a user, who may do nothing yet."""
    found = read_tags(tags)
    keys = {**request_keys(found), **boundary_keys(permissions_boundary)}
    path = call.create(USER, user_name, path, keys=keys)
    unique_id = new_unique_id(USER.row)
    attributes = {"tags": found} if found else {}
    user = Identity(call.account, USER.row, user_name, unique_id, path, call.now_ms, attributes)
    call.rows.add(user)
    if permissions_boundary is not None:
        user = bounded(call, user, permissions_boundary)
    return {"User": user_shape(user, details=True)}


def get_user(call: Call, *, user_name: str | None = None) -> Reply:
    """A user; without a name the caller, which may be the account's root."""
    if user_name is None and call.caller.principal.kind is PrincipalKind.ROOT:
        root = arn.account_root(call.account)
        call.allow(root)
        return {"User": {"UserId": call.account, "Arn": root, "CreateDate": utc(0)}}
    return {"User": user_shape(call.use(USER, call.own_name(user_name)), details=True)}


def list_users(call: Call, *, path_prefix: str | None = None, page: Page = FIRST_PAGE) -> Reply:
    """Users by name."""
    users, markers = call.entities(USER, path_prefix, page)
    return {"Users": [user_shape(user) for user in users], **markers}


def update_user(
    call: Call, *, user_name: str, new_path: str | None = None, new_user_name: str | None = None
) -> Reply:
    """Give a user another name or path; its unique id, and so what it may do, stays."""
    user = call.use(USER, user_name)
    call.rows.update(call.rename(USER, user, new_user_name, new_path))
    return {}


def delete_user(call: Call, *, user_name: str) -> Reply:
    """Delete a user that nothing depends on. Raises DeleteConflict."""
    user = call.use(USER, user_name)
    if call.rows.keys_of(user.unique_id):
        raise conflict("must delete access keys first")
    if call.rows.targets(call.account, MEMBER, user.unique_id):
        raise conflict("must remove user from all groups first")
    check_no_policies(call, user)
    call.rows.remove(user)
    return {}


def list_groups_for_user(call: Call, *, user_name: str, page: Page = FIRST_PAGE) -> Reply:
    """The groups of a user."""
    user = call.use(USER, user_name)
    groups, markers = page_of(groups_of(call.rows, user), page)
    return {"Groups": [group_shape(group) for group in groups], **markers}
