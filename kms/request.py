"""One call as operations see it: the caller, the parts to work with, key look-up, permission.

`use` is the way from a key id to a key: it resolves ids, ARNs, aliases and alias ARNs in the
caller's region, authorizes, and checks the key's state, in that order, and notes the key for the
audit record.
"""

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kms.authorize import Authorizer, denied, denied_account, denied_elsewhere, via_s3
from kms.aws import arn
from kms.aws.arn import ARN
from kms.aws.clock import Clock
from kms.aws.identity import Caller
from kms.aws.policy import Decision
from kms.condition_keys import Asked
from kms.errors import KMSError
from kms.key import AWS, Alias, Key, check_state
from kms.material import generate
from kms.policy_text import s3_managed_policy
from kms.quotas import ALIASES_PER_KEY_MAX
from kms.store import Store
from kms.store_edits import Edit

S3_ALIAS = "alias/aws/s3"
S3_DESCRIPTION = "Default key that protects my S3 objects when no other key is defined"
MANAGED_ROTATION_DAYS = 365
RE_ENCRYPT_FROM = "ReEncryptFrom"
_KEY_ID = re.compile(
    r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|mrk-[0-9a-f]{32}"
)


@dataclass(slots=True)
class Request:
    """A call under way. `arguments` are the members of its input, in which conditions look.

    `key_arn`, `material_id` and `decided` are what audit will say of it; `source_arn` is the key
    that an operation between two keys decrypted with.
    """

    operation: str
    caller: Caller
    store: Store
    clock: Clock
    authorizer: Authorizer
    arguments: Mapping[str, Any] = field(default_factory=dict)
    key_arn: str = ""
    source_arn: str = ""
    material_id: str = ""
    decided: Decision | None = None

    def use(self, key_id: str, *, action: str | None = None, state: str | None = None) -> Key:
        """The key that `key_id` names, authorized for `action` and in a state for `state`.

        Both default to the operation's name. Raises NotFoundException, AccessDeniedException and
        the state's refusal.
        """
        return self.use_key(self.resolve(key_id, action=action), action=action, state=state)

    def use_key(self, key: Key, *, action: str | None = None, state: str | None = None) -> Key:
        """The same for a key that is already found."""
        self.allow(action or self.operation, key)
        check_state(key, state or self.operation)
        return key

    def allow(self, action: str, key: Key) -> None:
        """Raise AccessDeniedException unless the caller may do `action` ("Decrypt") to `key`."""
        self.key_arn = key.arn
        decision = self.authorizer.remembered(self.caller, action, key)
        if decision is None or not decision.allowed:
            decision = self.authorizer.decide(self.asked(action, key), key)
        self.decided = decision
        if not decision.allowed:
            raise denied(self.caller, action, key, decision)
        if action == RE_ENCRYPT_FROM:
            self.source_arn = key.arn

    def allow_account(self, action: str, resource: str = "*") -> None:
        """The same for what concerns no key ("ListKeys"), or for an alias."""
        self.decided = self.authorizer.decide_account(self.asked(action, None), resource)
        if not self.decided.allowed:
            raise denied_account(self.caller, action, resource, self.decided)

    def in_region(self, region: str) -> "Request":
        """The same call as seen in another Region, to ask for permission there."""
        return replace(self, caller=replace(self.caller, region=region))

    def asked(self, action: str, key: Key | None) -> Asked:
        """The question whether the caller may do `action`."""
        return Asked(
            self.caller,
            action,
            self.arguments,
            key,
            self._aliases_of,
            lambda: self._other_key_arn(action),
        )

    def own(self, key_id: str) -> Key:
        """The key of an operation on the key itself: no alias names it; its state is not asked."""
        key = self.resolve_itself(key_id)
        self.allow(self.operation, key)
        return key

    def change(self, key: Key, change: Callable[[Edit, Key], Key]) -> Key:
        """Replace `key` by `change` of what is stored, if its state admits the operation.

        Both are asked inside the transaction, because another process may have been faster.
        """
        check_state(key, self.operation)
        with self.store.edit() as edit:
            stored = edit.key(key.account, key.region, key.key_id)
            if stored is None:
                raise KMSError("NotFoundException", f"Key '{key.arn}' does not exist")
            check_state(stored, self.operation)
            changed = change(edit, stored)
            if changed != stored:
                edit.put_key(changed)
        return changed

    def resolve_itself(self, key_id: str) -> Key:
        """The key that `key_id` names where aliases are not taken: an id or a key ARN."""
        if "alias/" in key_id:
            raise KMSError(
                "InvalidArnException", "Key Aliases are not supported for this operation."
            )
        return self.resolve(key_id)

    def resolve(self, key_id: str, *, action: str | None = None) -> Key:
        """The key that `key_id` names: an id, a key ARN, an alias or an alias ARN."""
        name = (self.caller.account, self.caller.region, key_id)
        key = self.store.known_as(name)
        if key is None:
            key = self._look_up(key_id, action)
            self.store.know_as(name, key)
        elif key.expires_at is not None:
            self._check_expiry(key)
        return key

    def _look_up(self, key_id: str, action: str | None) -> Key:
        account, region, name = self.caller.account, self.caller.region, key_id
        if key_id.startswith("arn:"):
            account, name = self._split(key_id)
        if name.startswith("alias/"):
            return self._by_alias(account, name, action or self.operation)
        if _KEY_ID.fullmatch(name) is None:
            shown = f"'{name}'" if name == key_id else name
            raise KMSError("NotFoundException", f"Invalid keyId {shown}")
        key = self.find(account, name)
        if key is None:
            raise self._absent(arn.kms_key(region, account, name), account, action)
        return key

    def _absent(self, key_arn: str, account: str, action: str | None) -> KMSError:
        """What is said of a key that does not exist: nothing to those who may not ask."""
        action = action or self.operation
        if account != self.caller.account:
            return denied_elsewhere(self.caller, action)
        decision = self.authorizer.decide_account(self.asked(action, None), key_arn)
        if not decision.allowed:
            self.decided = decision
            return denied_account(self.caller, action, key_arn, decision)
        return KMSError("NotFoundException", f"Key '{key_arn}' does not exist")

    def find(self, account: str, key_id: str) -> Key | None:
        """The key in the caller's region. What was due before this call has been done to it.

        Raises KMSInternalException if that failed and imported material outlives its date.
        """
        key = self.store.key(account, self.caller.region, key_id)
        if key is not None:
            self._check_expiry(key)
        return key

    def _check_expiry(self, key: Key) -> None:
        if key.expires_at is not None and key.expires_at <= self.clock.now():
            raise KMSError("KMSInternalException", "Expired key material could not be deleted.")

    def named_alias(self, name: str) -> Alias | None:
        """The caller's alias `name`."""
        return self.store.alias(self.caller.account, self.caller.region, name)

    def _aliases_of(self, key: Key) -> list[str]:
        found = self.store.aliases(
            key.account, key.region, key_id=key.key_id, after="", limit=ALIASES_PER_KEY_MAX
        )
        return [alias.name for alias in found]

    def _other_key_arn(self, action: str) -> str:
        """The ARN of ReEncrypt's other key, "" if there is none."""
        if action != RE_ENCRYPT_FROM:
            return self.source_arn
        try:
            return self.resolve(self.arguments["destination_key_id"], action="ReEncryptTo").arn
        except KMSError:
            return ""

    def _split(self, text: str) -> tuple[str, str]:
        """The account, and the key id or alias, of an ARN of the caller's region."""
        try:
            parsed = ARN.parse(text)
        except ValueError:
            raise KMSError("InvalidArnException", f"Invalid ARN {text}") from None
        if parsed.region != self.caller.region:
            raise KMSError("NotFoundException", f"Invalid arn {parsed.region}")
        name = parsed.resource.removeprefix("key/")
        is_key, is_alias = name != parsed.resource, name.startswith("alias/")
        if (parsed.partition, parsed.service) != (arn.PARTITION, "kms") or is_key == is_alias:
            raise KMSError("InvalidArnException", f"Invalid ARN {text}")
        return parsed.account, name

    def _by_alias(self, account: str, name: str, action: str) -> Key:
        alias = self.store.alias(account, self.caller.region, name)
        key = self.find(account, alias.key_id) if alias is not None else None
        if key is not None:
            return key
        if account != self.caller.account or not account.isdigit():
            # Whoever has no account, like anonymous callers of S3, has no keys either.
            raise denied_elsewhere(self.caller, action)
        if name == S3_ALIAS and (via_s3(self.caller) or action == "DescribeKey"):
            return self._make_s3_key(action)
        missing = arn.kms_alias(self.caller.region, account, name)
        raise KMSError("NotFoundException", f"Alias {missing} is not found.")

    def _make_s3_key(self, action: str) -> Key:
        """The account's AWS managed key for S3, made on first use in a region by who may use it."""
        account, region, now = self.caller.account, self.caller.region, self.clock.now()
        key_id = str(uuid.uuid4())
        policy = s3_managed_policy(account, f"s3.{region}.amazonaws.com")
        draft = Key(
            account,
            region,
            key_id,
            now,
            "",
            policy,
            manager=AWS,
            description=S3_DESCRIPTION,
            rotation_period_days=MANAGED_ROTATION_DAYS,
            next_rotation_at=now + MANAGED_ROTATION_DAYS * 86_400,
        )
        decision = self.authorizer.explain(self.asked(action, draft), draft)
        if not decision.allowed:
            self.decided = decision
            alias_arn = arn.kms_alias(region, account, S3_ALIAS)
            raise denied_account(self.caller, action, alias_arn, decision)
        material = self.store.new_material(draft, generate(draft.spec), now)
        key = replace(draft, material_id=material.material_id)
        alias = Alias(account, region, S3_ALIAS, key_id, now, now)
        if self.store.add_key(key, material, alias):
            return key
        # Another process made it between our look and our transaction.
        made = self.store.alias(account, region, S3_ALIAS)
        found = self.find(account, made.key_id) if made is not None else None
        if found is None:
            raise KMSError("KMSInternalException")
        return found
