from kms.aws.context import Context, given, tag_value


def test_the_first_source_that_knows_a_key_decides() -> None:
    context = Context(given({"a:B": "1"}), given({"A:b": "2", "c:d": ("x", "y")}))
    assert context.get("a:b") == "1"
    assert context.get("c:d") == ("x", "y")
    assert context.get("c:e") is None


def test_a_key_without_values_is_absent() -> None:
    assert Context(given({"a:b": ()}), given({"a:b": "hidden"})).get("a:b") is None


def test_sources_are_asked_only_for_the_key_in_question() -> None:
    asked: list[str] = []

    def source(key: str) -> str | None:
        asked.append(key)
        return None

    Context(source).get("aws:sourceip")
    assert asked == ["aws:sourceip"]


def test_tags_are_found_whatever_their_case() -> None:
    tags = (("Team", "Red"), ("Cost", ""))
    assert tag_value(tags, "team") == "Red"
    assert tag_value(tags, "cost") == ""
    assert tag_value(tags, "color") is None
