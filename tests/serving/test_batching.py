from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.errors import ConfigError, MissingFileError
from serving.batching import BatchingOptions, parse_batching, read_batching, render_batching

sizes = st.lists(st.integers(1, 512), unique=True, max_size=6).map(sorted)


@st.composite
def options(draw: st.DrawFn) -> BatchingOptions:
    allowed = tuple(draw(sizes))
    largest = allowed[-1] if allowed else draw(st.integers(1, 512))
    splitting = draw(st.booleans())
    return BatchingOptions(
        max_batch_size=largest,
        batch_timeout_micros=draw(st.integers(0, 10**7)),
        num_batch_threads=draw(st.integers(1, 64)),
        max_enqueued_batches=draw(st.integers(1, 10**6)),
        allowed_batch_sizes=allowed,
        enable_large_batch_splitting=splitting,
        max_execution_batch_size=draw(st.none() | st.integers(1, largest)) if splitting else None,
        pad_variable_length_inputs=draw(st.booleans()),
        thread_pool_name=draw(st.text(max_size=8)),
    )


@given(options())
def test_text_comes_back_as_it_was_written(given_options: BatchingOptions) -> None:
    assert parse_batching(render_batching(given_options)) == given_options


def test_text_is_what_tensorflow_serving_documents() -> None:
    text = render_batching(BatchingOptions(max_batch_size=8, allowed_batch_sizes=(4, 8)))
    assert "max_batch_size {\n  value: 8\n}" in text
    assert "allowed_batch_sizes: 4\nallowed_batch_sizes: 8" in text


def test_what_a_file_leaves_out_is_the_stock_default() -> None:
    parsed = parse_batching("max_batch_size { value: 128 }")
    assert (parsed.max_batch_size, parsed.batch_timeout_micros, parsed.max_enqueued_batches) == (128, 0, 10)
    assert parse_batching("").max_batch_size == 1000


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"allowed_batch_sizes": (8, 4), "max_batch_size": 4}, "must ascend"),
        ({"allowed_batch_sizes": (4, 4), "max_batch_size": 4}, "must ascend"),
        ({"allowed_batch_sizes": (2, 4), "max_batch_size": 8}, "must equal max_batch_size"),
        ({"max_execution_batch_size": 4}, "only with enable_large_batch_splitting"),
        ({"max_execution_batch_size": 64, "enable_large_batch_splitting": True}, "must not exceed"),
        ({"max_batch_size": 0}, "greater than or equal to 1"),
        ({"max_batch_size": 2**31}, "less than or equal to 2147483647"),
        ({"num_batch_threads": 0}, "num_batch_threads"),
        ({"max_enqueued_batches": 0}, "max_enqueued_batches"),
        ({"allowed_batch_sizes": (0, 4), "max_batch_size": 4}, "allowed_batch_sizes"),
        # also with splitting, whatever is executed: WrapSessionForBatching compares with max_batch_size
        (
            {
                "allowed_batch_sizes": (2, 4),
                "max_batch_size": 8,
                "enable_large_batch_splitting": True,
                "max_execution_batch_size": 4,
            },
            "must equal max_batch_size",
        ),
        ({"batch_timeout_micros": -1}, "greater than or equal to 0"),
        ({"threads": 3}, "Extra inputs"),
    ],
)
def test_what_the_server_would_refuse_is_refused(values: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        BatchingOptions(**values)


def test_padded_size_is_the_next_allowed_one() -> None:
    options = BatchingOptions(max_batch_size=8, allowed_batch_sizes=(2, 8))
    assert [options.padded_size(size) for size in (1, 2, 3, 8)] == [2, 2, 8, 8]
    assert BatchingOptions().padded_size(5) == 5


def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "batching.txt"
    with pytest.raises(MissingFileError, match=r"batching\.txt does not exist"):
        read_batching(file)
    file.write_text("batch_timeout_micros { value: 0 }\nmax_batch { value: 3 }")
    with pytest.raises(ConfigError, match=r"Invalid protobuf file: '.*batching\.txt': line 2, column 1: .*max_batch"):
        read_batching(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"batching\.txt cannot be read"):
        read_batching(file)
    file.write_text("max_batch_size { value: 3 } allowed_batch_sizes: 2")
    with pytest.raises(ConfigError, match="must equal max_batch_size"):
        read_batching(file)


@given(options(), st.integers(1, 600))
def test_a_request_is_refused_exactly_where_the_server_would(given_options: BatchingOptions, patches: int) -> None:
    if patches <= given_options.max_batch_size:
        given_options.check_request(patches)
    else:
        with pytest.raises(ConfigError, match=f"patches_per_request is {patches}"):
            given_options.check_request(patches)
    given_options.model_copy(update={"enabled": False}).check_request(patches)
