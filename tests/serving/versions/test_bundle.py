"""Bundles: there and back to the byte, and nothing else gets in."""

import errno
import hashlib
import json
import os
import shutil
import stat
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from components.publishing.versions import push_version
from serving.versions.audit import read_audit
from serving.versions.bundle import LIST_FILE, BundleList, export_bundle
from serving.versions.bundle_options import BundleLimits
from serving.versions.import_bundle import import_bundle
from serving.versions.lineage import Lineage, read_lineage
from serving.versions.registry import REGISTRY_FOLDER, Registry, registry_of
from serving.versions.registry_error import RegistryError

FILES = {
    "saved_model.pb": b"a graph" * 50,
    "variables/variables.index": b"an index",
    "variables/variables.data-00000-of-00001": bytes(range(256)) * 40,
    "assets.extra/eoseg_contract.json": json.dumps({"table": {"classes": [{"name": "roof"}]}}).encode(),
}
CARD = "assets.extra/model_card.json"
Members = dict[str, bytes]


def saved_model(folder: Path) -> Path:
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a pushed version, with a lineage."""
    base = tmp_path_factory.mktemp("bundle")
    folder = base / "served" / "eoseg"
    (base / "extra" / CARD).parent.mkdir(parents=True)
    (base / "extra" / CARD).write_bytes(b"{}")
    version = push_version(saved_model(base / "model"), folder, {"pipeline": "p"}, base / "extra")
    registry = registry_of(folder)
    digest = json.loads((folder / str(version) / "assets.extra/eoseg_provenance.json").read_text())["model_digest"]
    lineage = Lineage(version=version, model="eoseg", model_digest=digest, parameters={"Trainer": {"steps": 3}})
    export_bundle(registry, version, base / "v.zip", lineage)
    export_bundle(registry, version, base / "again.zip", lineage)
    assert (base / "v.zip").read_bytes() == (base / "again.zip").read_bytes()
    return base / "v.zip"


@pytest.fixture
def empty(tmp_path: Path) -> Registry:
    (tmp_path / "elsewhere" / "eoseg").mkdir(parents=True)
    return registry_of(tmp_path / "elsewhere" / "eoseg")


def content(folder: Path) -> Members:
    """Every file below a folder, but for the registry's own."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and REGISTRY_FOLDER not in path.parts
    }


def members(bundle: Path) -> Members:
    with zipfile.ZipFile(bundle) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def relisted(files: Members) -> Members:
    """The members with a list that names them all: as an attacker would write it."""
    listed = json.loads(files[LIST_FILE])
    listed["files"] = {
        name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in files.items()
        if name != LIST_FILE
    }
    return {**files, LIST_FILE: json.dumps(listed).encode()}


def write(path: Path, files: Members, change: Callable[[zipfile.ZipInfo], None] = lambda _: None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, data in files.items():
            info = zipfile.ZipInfo("x")
            info.filename = info.orig_filename = name
            info.compress_type = zipfile.ZIP_DEFLATED
            change(info)
            archive.writestr(info, data)
    return path


def refuse(registry: Registry, path: Path, message: str | None = None, **options: Any) -> None:
    """The import must fail, and leave no trace anywhere near."""
    root = registry.folder.parents[1]
    before = content(root)
    with pytest.raises(RegistryError, match=message):
        import_bundle(registry, path, **options)
    assert content(root) == before
    assert registry.versions == []
    assert not (registry.own / "staging").exists()


def test_a_version_comes_back_to_the_byte_with_its_lineage(bundle: Path, empty: Registry) -> None:
    number = import_bundle(empty, bundle, reason="moved")
    listed = BundleList.model_validate_json(members(bundle)[LIST_FILE])
    assert number == listed.version
    imported = content(empty.version_folder(number))
    assert {name: imported[name] for name in FILES} == FILES
    lineage = read_lineage(empty, number)
    assert lineage is not None
    assert lineage.parameters == {"Trainer": {"steps": 3}}
    assert [(entry.verb, entry.version, entry.reason) for entry in read_audit(empty)[0]] == [
        ("import", number, "moved")
    ]
    said: list[str] = []
    assert import_bundle(empty, bundle, say=said.append) == number
    assert "very same files" in said[0]
    assert empty.versions == [number]


def test_a_bundle_holds_class_table_configuration_model_card_and_lineage(bundle: Path) -> None:
    found = members(bundle)
    assert json.loads(found["classes.json"]) == {"classes": [{"name": "roof"}]}
    assert json.loads(found["config.json"]) == {"Trainer": {"steps": 3}}
    assert found[f"version/{CARD}"] == b"{}"
    assert "lineage.json" in found


def test_a_number_that_another_version_has_is_left_to_it(bundle: Path, empty: Registry) -> None:
    number = BundleList.model_validate_json(members(bundle)[LIST_FILE]).version
    saved_model(empty.version_folder(number))
    brought = import_bundle(empty, bundle)
    assert brought > number
    with pytest.raises(RegistryError, match=f"has a version {number} already"):
        import_bundle(empty, bundle, number=number)


def test_an_import_that_is_killed_before_its_log_is_logged_by_the_next(
    bundle: Path, empty: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("serving.versions.import_bundle.log_change", killed)
        with pytest.raises(KeyboardInterrupt):
            import_bundle(empty, bundle, reason="moved")
    (number,) = empty.versions
    assert read_audit(empty)[0] == []
    assert import_bundle(empty, bundle) == number
    (entry,) = read_audit(empty)[0]
    assert (entry.verb, entry.version, entry.reason) == ("import", number, "moved")


bad_parts = st.sampled_from(["..", ".", "", "C:", "a\\b", "\\", "a\x00b", "a\nb", "x" * 300])
good_parts = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)


@st.composite
def bad_names(draw: Any) -> str:
    parts = draw(st.lists(good_parts, max_size=3))
    position = draw(st.integers(0, len(parts)))
    return "/".join([draw(st.sampled_from(["version", ""])), *parts[:position], draw(bad_parts), *parts[position:]])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(name=bad_names())
@example(name="../../evil")
@example(name="/tmp/evil")
@example(name="version/../../../evil")
@example(name="version/..")
@example(name="version//saved_model.pb")
@example(name="version\\..\\evil")
@example(name="version/saved_model.pb\x00.txt")
@example(name="C:/evil")
@example(name="version/folder/")
def test_a_member_whose_name_could_lead_out_is_refused(
    name: str, bundle: Path, empty: Registry, tmp_path: Path
) -> None:
    path = write(tmp_path / "evil.zip", relisted({**members(bundle), name: b"evil"}))
    refuse(empty, path, "the member name")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_without_effect(
    place: float, bit: int, bundle: Path, empty: Registry, tmp_path: Path
) -> None:
    damaged = bytearray(bundle.read_bytes())
    damaged[int(place * len(damaged))] ^= 1 << bit
    path = tmp_path / "damaged.zip"
    path.write_bytes(damaged)
    original = BundleList.model_validate_json(members(bundle)[LIST_FILE])
    try:
        number = import_bundle(empty, path)
    except RegistryError:
        assert empty.versions == []
    else:  # a time, a flag that nobody reads
        imported = content(empty.version_folder(number))
        assert {name: hashlib.sha256(data).hexdigest() for name, data in imported.items()} == {
            name.removeprefix("version/"): file.sha256
            for name, file in original.files.items()
            if name.startswith("version/")
        }
        shutil.rmtree(empty.version_folder(number))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFDIR, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_what_is_no_plain_file_is_refused(kind: int, bundle: Path, empty: Registry, tmp_path: Path) -> None:
    def turn(info: zipfile.ZipInfo) -> None:
        if info.filename == "version/link":
            info.external_attr = (kind | 0o777) << 16

    path = write(tmp_path / "link.zip", relisted({**members(bundle), "version/link": b"/etc/passwd"}), turn)
    refuse(empty, path, "is a link, a folder or a device")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("version/Name", "version/name"),
        ("version/stra\u00dfe", "version/strasse"),
        ("version/caf\u00e9", "version/cafe\u0301"),
    ],
)
def test_names_that_a_file_system_may_take_for_one_are_refused(
    first: str, second: str, bundle: Path, empty: Registry, tmp_path: Path
) -> None:
    path = write(tmp_path / "twins.zip", relisted({**members(bundle), first: b"1", second: b"2"}))
    refuse(empty, path, "would be one file")


def test_one_name_twice_is_refused(bundle: Path, empty: Registry, tmp_path: Path) -> None:
    path = write(tmp_path / "twice.zip", members(bundle))
    with zipfile.ZipFile(path, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("version/saved_model.pb", b"another graph")
    refuse(empty, path, "would be one file")


def test_a_file_that_is_also_a_folder_is_refused(bundle: Path, empty: Registry, tmp_path: Path) -> None:
    path = write(tmp_path / "both.zip", relisted({**members(bundle), "version/saved_model.pb/x": b"1"}))
    refuse(empty, path, "is a file and a folder")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda files: {**files, "version/more": b"1"}, "it has 'version/more'"),
        (lambda files: {k: v for k, v in files.items() if k != "lineage.json"}, "it lacks 'lineage.json'"),
        (lambda files: {k: v for k, v in files.items() if k != LIST_FILE}, "it has no bundle.json"),
        (lambda files: {**files, LIST_FILE: b"{"}, "cannot be understood"),
        (
            lambda files: {**files, LIST_FILE: files[LIST_FILE].replace(b'"format":1', b'"format":2')},
            "format 2|understood",
        ),
        (lambda files: {**files, "version/saved_model.pb": b"an evil graph"}, "is not the file that was exported"),
        (lambda files: relisted({**files, "readme.txt": b"1"}), "none of a bundle's files"),
        (lambda files: relisted({k: v for k, v in files.items() if "saved_model" not in k}), "no saved_model.pb"),
        (lambda files: relisted({**files, "version/saved_model.pb": b"an evil graph"}), "is not what was pushed"),
    ],
)
def test_what_the_list_or_the_digest_does_not_allow_is_refused(
    change: Callable[[Members], Members], message: str, bundle: Path, empty: Registry, tmp_path: Path
) -> None:
    files = members(bundle)
    files[LIST_FILE] = json.dumps(json.loads(files[LIST_FILE]), separators=(",", ":")).encode()
    refuse(empty, write(tmp_path / "changed.zip", change(files)), message)


def test_what_unpacks_to_far_more_than_it_packs_is_refused(bundle: Path, empty: Registry, tmp_path: Path) -> None:
    bomb = write(tmp_path / "bomb.zip", relisted({**members(bundle), "version/zeros": bytes(30_000_000)}))
    assert bomb.stat().st_size < 200_000
    refuse(empty, bomb, "unpacks from")
    patient = BundleLimits(most_ratio=1e6, most_bytes=20_000_000)
    refuse(empty, bomb, "unpacks to more than 20,000,000 bytes", limits=patient)
    refuse(empty, bundle, "members", limits=BundleLimits(most_files=3))


def test_an_archive_that_is_none_or_breaks_off_is_refused(bundle: Path, empty: Registry, tmp_path: Path) -> None:
    text, half = tmp_path / "text.zip", tmp_path / "half.zip"
    text.write_text("no archive")
    half.write_bytes(bundle.read_bytes()[:-500])
    for path in (text, half):
        refuse(empty, path, "cannot be unpacked")


def test_a_link_in_a_version_is_not_exported(tmp_path: Path) -> None:
    registry = registry_of(saved_model(tmp_path / "served" / "eoseg" / "1").parent)
    (registry.version_folder(1) / "assets.extra" / "link").symlink_to("/etc/passwd")
    with pytest.raises(RegistryError, match="symbolic link"):
        export_bundle(registry, 1, tmp_path / "v.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["served"]


def test_another_models_bundle_is_refused_unless_it_is_named(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "here" / "roofs").mkdir(parents=True)
    roofs = registry_of(tmp_path / "here" / "roofs")
    refuse(roofs, bundle, "a version of the model 'eoseg'")
    assert import_bundle(roofs, bundle, of_model="eoseg") in roofs.versions


@pytest.mark.parametrize("number", [-5, 0, 2**63])
def test_a_number_that_no_server_counts_with_is_refused(number: int, bundle: Path, empty: Registry) -> None:
    refuse(empty, bundle, f"--as {number}", number=number)


def test_a_member_packed_another_way_is_refused_where_it_is_damaged(
    bundle: Path, empty: Registry, tmp_path: Path
) -> None:
    path = tmp_path / "lzma.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name, data in members(bundle).items():
            archive.writestr(name, data)
    damaged = bytearray(path.read_bytes())
    start = damaged.index(b"version/") + 60  # within the first member's packed bytes
    damaged[start : start + 400] = bytes(400)
    path.write_bytes(damaged)
    refuse(empty, path)


def test_a_disk_without_room_is_not_taken_for_a_damaged_bundle(
    bundle: Path, empty: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("serving.versions.import_bundle.os.fsync", full)
        refuse(empty, bundle, r"cannot be unpacked into .*: No space left on device")
    import_bundle(empty, bundle)
