"""What the command line does with a data folder, whether a server runs on it or not."""

from collections.abc import Callable, Iterator
from pathlib import Path

from kms.aws.clock import SystemClock
from objstore.account.directory import Directory
from objstore.authorize import Authorizer
from objstore.compose import StartError, open_folder_kms, service_clock
from objstore.crypt.customer_keys import CustomerKeyHeaders
from objstore.crypt.data_keys import DataKeys
from objstore.explain import Asked
from objstore.explain import explain as explain_decision
from objstore.inspect import inspect_object
from objstore.rewrap import Count, rewrap_bucket
from objstore.settings import Settings
from objstore.storage.store import Store
from objstore.storage.sweep import check as check_store
from objstore.trace import kept_traces
from objstore.transfer.rewrap import Target


async def inspect(
    settings: Settings, *, bucket: str, key: str, customer: CustomerKeyHeaders
) -> tuple[str, bool]:
    """What lies on disk for an object, as text, and whether all of it verifies."""
    kms = open_folder_kms(settings, create=False)
    store = Store.open(settings.data, wall=SystemClock())
    try:
        data_keys = DataKeys(kms, insecure_customer_keys=True)
        return await inspect_object(store, data_keys, bucket=bucket, key=key, customer=customer)
    finally:
        await store.close()
        kms.close()


async def explain(settings: Settings, question: Asked) -> tuple[str, bool]:
    """What decides whether a principal may do something, in a line, and whether it may."""
    kms = open_folder_kms(settings, create=False)
    store = Store.open(settings.data, wall=SystemClock())
    clock, directory = service_clock(settings), Directory()
    authorizer = Authorizer(
        store, clock, account=directory.account, account_of=directory.account_of
    )
    try:
        return explain_decision(store, kms.explain, authorizer, clock, question)
    finally:
        await store.close()
        kms.close()


async def rewrap(
    settings: Settings,
    *,
    bucket: str,
    target: Target,
    rewrapped_max: int | None,
    report: Callable[[str], None],
) -> Count:
    """Wrap the data keys of a bucket's objects anew. Raises StartError, AWSError."""
    kms = open_folder_kms(settings, create=False)
    store = Store.open(settings.data, wall=SystemClock())
    try:
        found = store.bucket(bucket)
        if found is None:
            raise StartError(f"there is no bucket {bucket}")
        return await rewrap_bucket(
            store,
            DataKeys(kms),
            service_clock(settings),
            bucket=found,
            target=target,
            report=report,
            rewrapped_max=rewrapped_max,
            traces=kept_traces(settings.data),
        )
    finally:
        await store.close()
        kms.close()


def check(data: Path) -> Iterator[str]:
    """Verify a store without keys: a line a finding, then a line of counts."""
    if not (data / "index.db").exists():
        raise StartError(f"{data} is no data folder: it has no index")
    report = check_store(data)
    for finding in report:
        yield f"{finding.subject}: {finding.problem.value}"
    yield f"checked rows={report.rows} blobs={report.blobs} bytes={report.bytes}"
