"""Strings on their way into PostgreSQL and back; the real server is in test_metadata_place.py."""

from hypothesis import example, given
from hypothesis import strategies as st
from ml_metadata.proto import metadata_store_pb2, metadata_store_service_pb2

from tfx_pipeline.postgresql_strings import BACKSLASH, STAND_IN, translated

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=STAND_IN)) | st.text("\\'\"E{")


@given(TEXTS, TEXTS, TEXTS)
@example("a\\b", "\\", "c:\\d")
def test_no_backslash_goes_in_and_every_one_comes_back(name: str, text: str, query: str) -> None:
    request = metadata_store_service_pb2.PutContextsRequest()
    context = request.contexts.add(name=name)
    context.properties["a"].string_value = text
    context.custom_properties["b"].struct_value["key"] = [query, 1.0]
    kept = request.SerializeToString(deterministic=True)
    sent = translated(request, BACKSLASH, STAND_IN)
    (there,) = sent.contexts  # type: ignore[attr-defined] # of PutContextsRequest; `translated` says Message
    # Not looked for in the bytes: 92, the backslash's, may also be a length.
    texts = [there.name, there.properties["a"].string_value, there.custom_properties["b"].struct_value["key"][0]]
    assert BACKSLASH not in "".join(texts)
    assert request.SerializeToString(deterministic=True) == kept
    assert translated(sent, STAND_IN, BACKSLASH) == request


def test_lists_of_strings_and_other_types_are_reached() -> None:
    request = metadata_store_service_pb2.GetContextsByTypeRequest(type_name="a\\b")
    assert translated(request, "\\", "!").type_name == "a!b"  # type: ignore[attr-defined]
    event = metadata_store_pb2.Event(artifact_id=3)
    event.path.steps.add(key="k\\").index = 0
    changed = translated(event, "\\", "!")
    assert changed.path.steps[0].index == 0  # type: ignore[attr-defined]
    listed = metadata_store_service_pb2.GetArtifactsByURIRequest(uris=["c:\\a", "b"])
    assert list(translated(listed, "\\", "/").uris) == ["c:/a", "b"]  # type: ignore[attr-defined]
