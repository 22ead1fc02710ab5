from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.errors import InputError
from foretide.model.batch import Content
from foretide.sources.content import LineReader, known_content

texts = st.lists(st.sampled_from([b"a", b"bb\n", b"\n", b"\r\n", b"long line"]), max_size=40).map(
    b"".join
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("content")


def content_of(path: Path, *, is_tail_stored: bool = True) -> Content:
    reader = LineReader(path)
    list(reader)
    return reader.content(is_tail_stored=is_tail_stored)


@given(texts, st.integers(1, 30), st.booleans())
def test_chunks_are_whole_lines_that_make_up_the_file(
    folder: Path, data: bytes, chunk_bytes: int, is_zipped: bool
) -> None:
    path = folder / "a"
    path.write_bytes(gzip.compress(data) if is_zipped else data)
    chunks = list(LineReader(path, chunk_bytes=chunk_bytes))
    assert b"".join(chunk.data for chunk in chunks) == data
    assert all(chunk.data.endswith(b"\n") for chunk in chunks[:-1])
    before = 0
    for chunk in chunks:
        assert chunk.first_line == before + 1
        before += chunk.data.count(b"\n")


@given(texts, texts, st.booleans())
def test_a_grown_file_gives_only_what_is_new(
    folder: Path, old: bytes, more: bytes, is_tail_stored: bool
) -> None:
    path = folder / "a"
    path.write_bytes(old)
    content = content_of(path, is_tail_stored=is_tail_stored)
    path.write_bytes(old + more)
    known = known_content(path, [content])
    if not old or (not content.complete.byte_count and more):
        return  # nothing finished to know it by
    assert known is not None
    assert known.is_all == (not more)
    reader = LineReader(path, known=known.content)
    given_now = b"".join(chunk.data for chunk in reader)
    finished, tail = old[: old.rfind(b"\n") + 1], old[old.rfind(b"\n") + 1 :]
    rest = (old + more)[len(finished) :]
    if tail and is_tail_stored:
        rest = rest.partition(b"\n")[2]
    assert given_now == rest
    again = reader.content(is_tail_stored=content.is_tail_stored)
    assert again.whole == content_of(path).whole
    assert again.complete == content_of(path).complete


def test_a_copy_is_known_whatever_its_name_and_packing(folder: Path) -> None:
    data = b"one\ntwo\n" * 2000
    first, second = folder / "x.log", folder / "y.gz"
    first.write_bytes(data)
    second.write_bytes(gzip.compress(data))
    known = known_content(second, [content_of(first)])
    assert known is not None
    assert known.is_all
    second.write_bytes(gzip.compress(b"other\n" + data))
    assert known_content(second, [content_of(first)]) is None


def test_a_broken_gzip_is_refused_in_one_line(folder: Path) -> None:
    path = folder / "broken.gz"
    path.write_bytes(gzip.compress(b"line\n" * 10_000)[:-20])
    with pytest.raises(InputError, match="gzip stream is broken"):
        list(LineReader(path))
