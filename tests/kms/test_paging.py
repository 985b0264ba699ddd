import pytest

from kms.errors import KMSError
from kms.paging import marker_of, position_of


def test_round_trip() -> None:
    assert position_of(marker_of("alias/é?")) == "alias/é?"
    assert position_of(None) == ""


@pytest.mark.parametrize("marker", ["!", "abc", "gIA=", "é", "YWI=YWI="])
def test_made_up_markers(marker: str) -> None:
    with pytest.raises(KMSError, match="InvalidMarkerException"):
        position_of(marker)
