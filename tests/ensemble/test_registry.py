from pathlib import Path

import pytest

from rusy_tui.domain.errors import ModelError
from rusy_tui.ensemble import manifest as manifests
from rusy_tui.ensemble import registry
from rusy_tui.ensemble.manifest import MEMBERS
from tests.ensemble import shipped


def test_the_shipped_version_is_what_its_manifest_says() -> None:
    manifest, graphs = registry.verify(registry.shipped())
    assert manifest.version == registry.shipped().name
    assert set(graphs) == set(MEMBERS)


@pytest.mark.parametrize("member", MEMBERS)
def test_one_changed_byte_in_a_graph_is_refused_and_the_file_named(
    tmp_path: Path, member: str
) -> None:
    version = shipped.copy_to(tmp_path)
    path = version / f"{member}.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError) as refusal:
        registry.verify(version)
    text = str(refusal.value)
    expected = shipped.manifest().graphs[member].sha256
    assert str(path) in text
    assert expected in text
    assert "restore it" in text
    assert refusal.value.exit_code == 1


def test_a_version_made_for_other_features_is_refused(tmp_path: Path) -> None:
    version = shipped.copy_to(tmp_path)
    shipped.rewrite(version, features_sha256="0" * 64)
    with pytest.raises(
        ModelError, match=r"features_sha256: expected .* found 000.*train it anew"
    ):
        registry.verify(version)


def test_a_missing_graph_is_named(tmp_path: Path) -> None:
    version = shipped.copy_to(tmp_path)
    (version / "cnn.onnx").unlink()
    with pytest.raises(ModelError, match=r"cnn\.onnx: .*can't be read.*install Rusy again"):
        registry.verify(version)


def test_a_version_is_found_by_name_and_by_path(tmp_path: Path) -> None:
    version = shipped.copy_to(tmp_path)
    assert registry.find(None) == registry.shipped()
    assert registry.find(version.name) == registry.shipped()
    assert registry.find(str(version)) == version
    with pytest.raises(ModelError, match=r"no model version 'nonesuch'.*" + version.name):
        registry.find("nonesuch")


def test_a_pointer_to_a_version_that_is_not_there_lists_those_that_are(tmp_path: Path) -> None:
    version = shipped.copy_to(tmp_path)
    (tmp_path / registry.SHIPPED_FILE).write_text("2020.1-1\n", encoding="utf-8")
    with pytest.raises(ModelError, match=rf"'2020\.1-1'.*{version.name}"):
        registry.shipped(tmp_path)


def test_each_file_of_the_shipped_version_is_small() -> None:
    files = list(registry.shipped().iterdir())
    assert manifests.FILE_NAME in {path.name for path in files}
    assert max(path.stat().st_size for path in files) < 1_400_000
