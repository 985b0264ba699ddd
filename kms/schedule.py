"""What happens to keys by the passing of time: a key whose deletion is due is destroyed.

Look-ups destroy an overdue key when they meet it; `sweep` finds those that nobody asks for.
"""

from kms.store import Store

SWEEP_KEYS_MAX = 1_000


def sweep(store: Store, now: float) -> int:
    """Destroy up to SWEEP_KEYS_MAX keys whose deletion was due at `now`; answers how many."""
    overdue = store.overdue(now, SWEEP_KEYS_MAX)
    for key in overdue:
        store.destroy_key(key, now)
    return len(overdue)
