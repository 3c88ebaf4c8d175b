"""What the data bucket's adapter promises."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from chalicelib.aws.remote_file import open_remote
from chalicelib.aws.storage import Storage
from chalicelib.errors import ObjectChanged, ObjectNotFound
from tests.fakes.aws import MemoryStorage


def test_what_is_put_is_listed_headed_and_read(storage: Storage) -> None:
    storage.put_bytes("datasets/x/ä b+c.csv", b"0,1\n", "text/csv")
    [listed] = storage.list("datasets/x/")
    head = storage.head("datasets/x/ä b+c.csv")
    assert head is not None
    assert (listed.key, listed.size) == ("datasets/x/ä b+c.csv", 4)
    assert (listed.etag, listed.size) == (head.etag, head.size)
    assert '"' not in listed.etag
    assert head.version_id
    assert listed.last_modified.tzinfo is not None
    opened = storage.open(listed.key, if_etag=listed.etag)
    assert opened.stored.version_id == head.version_id
    assert b"".join(opened.chunks()) == b"0,1\n"


def test_the_same_bytes_have_the_same_etag_and_another_version(storage: Storage) -> None:
    storage.put_bytes("a", b"1", "")
    first = storage.head("a")
    storage.put_bytes("a", b"1", "")
    second = storage.head("a")
    assert first is not None
    assert second is not None
    assert first.etag == second.etag
    assert first.version_id != second.version_id


def test_old_versions_can_be_read(storage: Storage) -> None:
    storage.put_bytes("a", b"1", "")
    first = storage.head("a")
    assert first is not None
    storage.put_bytes("a", b"2", "")
    assert storage.open("a", version_id=first.version_id).body.read() == b"1"
    assert storage.get_bytes("a") == b"2"


def test_a_range_of_an_object_is_read_while_it_is_the_same(storage: Storage) -> None:
    storage.put_bytes("a", b"0123456789", "")
    head = storage.head("a")
    assert head is not None
    assert storage.open_range("a", 3, 4, head.etag).read() == b"3456"
    assert storage.open_range("a", 8, 4, head.etag).read() == b"89"
    assert storage.open_range("a", 8, None, head.etag).read() == b"89"
    assert storage.read_head("a", 4, head.etag) == (b"0123", False)
    file = open_remote(storage, "a", head.etag, head.size)
    file.seek(-2, io.SEEK_END)
    assert (file.tell(), file.read(), file.read()) == (8, b"89", b"")
    file.seek(1)
    assert file.read(3) == b"123"
    with pytest.raises(
        OSError, match="before the file"
    ):  # as of files on disk: zipfile relies on it
        file.seek(-11, io.SEEK_END)
    storage.put_bytes("a", b"abcdefghij", "")
    with pytest.raises(ObjectChanged):
        open_remote(storage, "a", head.etag, head.size).read(1)


def test_listing_is_in_key_order_over_pages_and_knows_versions(storage: Storage) -> None:
    for number in range(1005):
        storage.put_bytes(f"inbox/b/{number:04}", b"x", "")
    storage.put_bytes("inbox/bb/1", b"x", "")
    keys = [stored.key for stored in storage.list("inbox/b/")]
    assert keys == sorted(keys)
    assert len(keys) == 1005
    versions = list(storage.list_versions("inbox/b/"))
    assert [stored.key for stored in versions] == keys
    assert all(stored.version_id for stored in versions)


def test_deleted_and_overwritten_versions_are_not_listed(storage: Storage) -> None:
    for body in (b"1", b"2"):
        storage.put_bytes("a", body, "")
    storage.put_bytes("b", b"1", "")
    storage.delete("b")
    [only] = storage.list_versions("")
    current = storage.head("a")
    assert current is not None
    assert (only.key, only.version_id) == ("a", current.version_id)
    assert [stored.key for stored in storage.list("")] == ["a"]
    assert storage.head("b") is None


def test_folders_are_those_straight_below(storage: Storage) -> None:
    for key in ("inbox/a/1", "inbox/a/x/2", "inbox/b/1", "inbox/loose"):
        storage.put_bytes(key, b"", "")
    assert list(storage.folders("inbox/")) == ["a", "b"]


def test_what_is_missing_or_changed_is_said_so(storage: Storage) -> None:
    assert storage.head("nothing") is None
    with pytest.raises(ObjectNotFound):
        storage.open("nothing")
    with pytest.raises(ObjectNotFound):
        storage.get_json("nothing")
    storage.put_bytes("a", b"1", "")
    listed = storage.head("a")
    assert listed is not None
    storage.put_bytes("a", b"2", "")
    with pytest.raises(ObjectChanged):
        storage.open("a", if_etag=listed.etag)


def test_json_and_uploads_come_back(storage: Storage) -> None:
    storage.put_json("a.json", {"name": "Füße", "none": None, "x": 0.1})
    assert storage.get_json("a.json") == {"name": "Füße", "none": None, "x": 0.1}
    storage.upload("big", io.BytesIO(b"x" * 100_000), "text/plain")
    assert len(storage.get_bytes("big")) == 100_000


def test_a_write_over_what_was_read_is_refused_where_it_changed(storage: Storage) -> None:
    storage.put_json_over("r.json", {"n": 1}, None)
    with pytest.raises(ObjectChanged):
        storage.put_json_over("r.json", {"n": 9}, None)
    read = storage.head("r.json")
    assert read is not None
    storage.put_json_over("r.json", {"n": 2}, read.etag)
    with pytest.raises(ObjectChanged):
        storage.put_json_over("r.json", {"n": 9}, read.etag)
    assert storage.get_json("r.json") == {"n": 2}
    storage.delete("r.json")
    with pytest.raises(ObjectChanged):
        storage.put_json_over("r.json", {"n": 9}, read.etag)
    storage.put_json_over("r.json", {"n": 3}, None)
    assert storage.get_json("r.json") == {"n": 3}


def test_open_multipart_uploads_are_seen_below_their_prefix(storage: Storage) -> None:
    assert storage.open_uploads("datasets/x/") == []
    key = "datasets/x/ä b+c.csv"
    if isinstance(storage, MemoryStorage):
        storage.begin_upload(key)
    else:
        storage._client.create_multipart_upload(Bucket=storage.bucket, Key=key)
    [upload] = storage.open_uploads("datasets/x/")
    assert upload.key == key
    assert upload.begun.tzinfo is not None
    assert storage.last_part(upload) is None
    assert storage.open_uploads("datasets/xx/") == []
    if isinstance(storage, MemoryStorage):
        storage.parts[key] = upload.begun
    else:
        storage._client.upload_part(
            Bucket=storage.bucket,
            Key=key,
            UploadId=upload.upload_id,
            PartNumber=1,
            Body=b"x",
        )
    part = storage.last_part(upload)
    assert part is not None
    assert part >= upload.begun.replace(microsecond=0)
    assert storage.last_part(replace(upload, upload_id="gone")) is None
