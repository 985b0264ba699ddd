"""The encryption matrix: sizes, ways in and modes; tampering with everything; a look at the disk.

Every line of every object has a canary in it. After all writes no file of the data folder may hold
it, nor the customer's key. The last line printed has the counts, and the exit status is 0 only if
all of them but the first are zero.
"""

import asyncio
import sys
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))

from house import CANARY, CUSTOMER_KEY, House
from roundtrips import QUICK_SIZES, SIZES, RoundTrips, Tally
from search import holds
from tampering import Tampering
from workplace import workplace

QUICK_EVERY = 61
COMPLAINTS_SHOWN_MAX = 50


@click.command()
@click.option("--quick", is_flag=True, help="Small sizes, and one bit in sixty flipped.")
def main(quick: bool) -> None:
    """Encrypt in every mode, tamper with everything, and look for plaintext on the disk."""
    with workplace("encryption-matrix") as folder:
        tally = asyncio.run(matrix(folder, quick))
    for complaint in tally.complaints[:COMPLAINTS_SHOWN_MAX]:
        click.echo(complaint)
    click.echo(tally)
    sys.exit(0 if tally.clean else 1)


async def matrix(folder: Path, quick: bool) -> Tally:
    tally = Tally()
    house = House(folder)
    house.open()
    try:
        ways = house.ways()
        trips = RoundTrips(house, ways, tally)
        await trips.run(QUICK_SIZES if quick else SIZES)
        await house.reopen()
        await trips.read_again()
        await Tampering(house, ways, tally, every=QUICK_EVERY if quick else 1).run()
        look_at_the_disk(folder, tally)
    finally:
        await house.close()
    look_at_the_disk(folder, tally)
    return tally


def look_at_the_disk(folder: Path, tally: Tally) -> None:
    """Count the files that hold plaintext or a customer's key; each file is a case."""
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        tally.cases += 1
        if holds(path, (CANARY, CUSTOMER_KEY)):
            tally.plaintext_on_disk += 1
            tally.complaints.append(f"plaintext on disk: {path.relative_to(folder)}")


if __name__ == "__main__":
    main()
