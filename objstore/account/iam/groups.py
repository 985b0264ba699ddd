"""Groups and who is in them.

Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateGroup.html and its like.
"""

from objstore.account.call import Call, Reply
from objstore.account.entities import GROUP, USER, group_shape, missing, quota, user_shape
from objstore.account.ids import new_unique_id
from objstore.account.paging import FIRST_PAGE, Page, page_of
from objstore.account.relations import MEMBER, check_no_policies, conflict, members_of
from objstore.storage.records import Identity

GROUPS_PER_USER_MAX = 10


def create_group(call: Call, *, group_name: str, path: str | None = None) -> Reply:
    """Make a group without users or policies."""
    path = call.create(GROUP, group_name, path)
    unique_id = new_unique_id(GROUP.row)
    group = Identity(call.account, GROUP.row, group_name, unique_id, path, call.now_ms)
    call.rows.add(group)
    return {"Group": group_shape(group)}


def get_group(call: Call, *, group_name: str, page: Page = FIRST_PAGE) -> Reply:
    """A group and the users in it."""
    group = call.use(GROUP, group_name)
    users, markers = page_of(members_of(call.rows, group), page)
    return {"Group": group_shape(group), "Users": [user_shape(user) for user in users], **markers}


def list_groups(call: Call, *, path_prefix: str | None = None, page: Page = FIRST_PAGE) -> Reply:
    """Groups by name."""
    groups, markers = call.entities(GROUP, path_prefix, page)
    return {"Groups": [group_shape(group) for group in groups], **markers}


def update_group(
    call: Call, *, group_name: str, new_path: str | None = None, new_group_name: str | None = None
) -> Reply:
    """Give a group another name or path; its users and policies stay."""
    group = call.use(GROUP, group_name)
    call.rows.update(call.rename(GROUP, group, new_group_name, new_path))
    return {}


def delete_group(call: Call, *, group_name: str) -> Reply:
    """Delete a group without users and policies. Raises DeleteConflict."""
    group = call.use(GROUP, group_name)
    if call.rows.count_sources(call.account, MEMBER, group.unique_id):
        raise conflict("must remove users from group first")
    check_no_policies(call, group)
    call.rows.remove(group)
    return {}


def add_user_to_group(call: Call, *, group_name: str, user_name: str) -> Reply:
    """Put a user into a group, where it may be already."""
    group = call.use(GROUP, group_name)
    user = _user(call, user_name)
    groups = call.rows.targets(call.account, MEMBER, user.unique_id)
    if group.unique_id not in groups and len(groups) >= GROUPS_PER_USER_MAX:
        raise quota("GroupsPerUser", GROUPS_PER_USER_MAX)
    call.rows.link(call.account, MEMBER, user.unique_id, group.unique_id)
    return {}


def remove_user_from_group(call: Call, *, group_name: str, user_name: str) -> Reply:
    """Take a user out of a group, where it need not be."""
    group = call.use(GROUP, group_name)
    user = _user(call, user_name)
    call.rows.unlink(call.account, MEMBER, user.unique_id, group.unique_id)
    return {}


def _user(call: Call, user_name: str) -> Identity:
    """The user; the permission is about the group alone."""
    user = call.rows.get(call.account, USER.row, user_name)
    if user is None:
        raise missing(USER, user_name)
    return user
