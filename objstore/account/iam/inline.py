"""Inline policies: texts that belong to one user, group or role.

Names are one whatever their case; the name of the first text stays.

Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_PutUserPolicy.html and its like.
"""

from objstore.account.call import Call, Reply
from objstore.account.documents import INLINE_CHARACTERS_MAX, check_identity_policy, size
from objstore.account.entities import GROUP, ROLE, USER, Kind, encoded
from objstore.account.errors import IAMError
from objstore.account.paging import FIRST_PAGE, Page, page_of
from objstore.account.relations import attaching
from objstore.storage.records import Document


def put_user_policy(call: Call, *, user_name: str, policy_name: str, policy_document: str) -> Reply:
    """Add or replace an inline policy of a user."""
    return _put(call, USER, user_name, policy_name, policy_document)


def put_group_policy(
    call: Call, *, group_name: str, policy_name: str, policy_document: str
) -> Reply:
    """Add or replace an inline policy of a group."""
    return _put(call, GROUP, group_name, policy_name, policy_document)


def put_role_policy(call: Call, *, role_name: str, policy_name: str, policy_document: str) -> Reply:
    """Add or replace an inline policy of a role."""
    return _put(call, ROLE, role_name, policy_name, policy_document)


def _put(call: Call, kind: Kind, name: str, policy_name: str, text: str) -> Reply:
    owner = attaching(call, kind, name)
    check_identity_policy(text)
    replaced = call.rows.document(owner.unique_id, policy_name)
    kept_name = policy_name if replaced is None else replaced.name
    others = [one for one in call.rows.documents(owner.unique_id) if one.name != kept_name]
    most = INLINE_CHARACTERS_MAX[kind.row]
    if size(text) + sum(size(one.text) for one in others) > most:
        message = f"Maximum policy size of {most} bytes exceeded for {kind.row} {owner.name}"
        raise IAMError("LimitExceeded", message)
    call.rows.put_document(Document(owner.unique_id, kept_name, call.now_ms, text))
    return {}


def get_user_policy(call: Call, *, user_name: str, policy_name: str) -> Reply:
    """An inline policy of a user."""
    return _get(call, USER, user_name, policy_name)


def get_group_policy(call: Call, *, group_name: str, policy_name: str) -> Reply:
    """An inline policy of a group."""
    return _get(call, GROUP, group_name, policy_name)


def get_role_policy(call: Call, *, role_name: str, policy_name: str) -> Reply:
    """An inline policy of a role."""
    return _get(call, ROLE, role_name, policy_name)


def _get(call: Call, kind: Kind, name: str, policy_name: str) -> Reply:
    owner = call.use(kind, name)
    document = call.rows.document(owner.unique_id, policy_name)
    if document is None:
        raise _missing(kind, policy_name)
    return {
        f"{kind.label}Name": owner.name,
        "PolicyName": policy_name,
        "PolicyDocument": encoded(document.text),
    }


def delete_user_policy(call: Call, *, user_name: str, policy_name: str) -> Reply:
    """Remove an inline policy of a user."""
    return _delete(call, USER, user_name, policy_name)


def delete_group_policy(call: Call, *, group_name: str, policy_name: str) -> Reply:
    """Remove an inline policy of a group."""
    return _delete(call, GROUP, group_name, policy_name)


def delete_role_policy(call: Call, *, role_name: str, policy_name: str) -> Reply:
    """Remove an inline policy of a role."""
    return _delete(call, ROLE, role_name, policy_name)


def _delete(call: Call, kind: Kind, name: str, policy_name: str) -> Reply:
    owner = attaching(call, kind, name)
    if not call.rows.remove_document(owner.unique_id, policy_name):
        raise _missing(kind, policy_name)
    return {}


def list_user_policies(call: Call, *, user_name: str, page: Page = FIRST_PAGE) -> Reply:
    """The names of a user's inline policies."""
    return _list(call, USER, user_name, page)


def list_group_policies(call: Call, *, group_name: str, page: Page = FIRST_PAGE) -> Reply:
    """The names of a group's inline policies."""
    return _list(call, GROUP, group_name, page)


def list_role_policies(call: Call, *, role_name: str, page: Page = FIRST_PAGE) -> Reply:
    """The names of a role's inline policies."""
    return _list(call, ROLE, role_name, page)


def _list(call: Call, kind: Kind, name: str, page: Page) -> Reply:
    documents = call.rows.documents(call.use(kind, name).unique_id)
    names, markers = page_of([one.name for one in documents], page)
    return {"PolicyNames": names, **markers}


def _missing(kind: Kind, policy_name: str) -> IAMError:
    text = f"The {kind.row} policy with name {policy_name} cannot be found."
    return IAMError("NoSuchEntity", text)
