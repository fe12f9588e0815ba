"""The Croissant description of a built dataset: its form, its files, and whether it tells the truth."""

from __future__ import annotations

import copy
import hashlib
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from engine.base.store import Store
from engine.data.build import build

# from appendix 1 and the tables of the specification, not from the code under test
TERMS = {
    "@language", "@vocab", "citeAs", "column", "conformsTo", "cr", "data", "dataType", "dct",
    "examples", "extract", "field", "fileProperty", "fileObject", "fileSet", "format", "includes",
    "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "rai", "recordSet",
    "references", "regex", "repeated", "replace", "sc", "separator", "source", "subField",
    "transform",
}  # fmt: skip
REQUIRED = {
    "@context", "@type", "conformsTo", "description", "license", "name", "url", "creator",
    "datePublished", "distribution",
}  # fmt: skip
RESPONSIBLE = {
    "dataCollection", "dataCollectionRawData", "dataAnnotationProtocol",
    "dataPreprocessingProtocol", "dataManipulationProtocol", "dataLimitations", "dataBiases",
    "personalSensitiveInformation", "dataUseCases", "dataReleaseMaintenancePlan",
}  # fmt: skip
ONE = {"dataCollection", "dataCollectionRawData", "dataAnnotationProtocol",
       "dataManipulationProtocol", "dataReleaseMaintenancePlan"}  # fmt: skip
TYPES = {"sc:Text", "sc:Integer", "sc:Boolean", "sc:URL", "sc:Float", "sc:Date"}


def faults(document: dict[str, Any], folder: Path) -> list[str]:
    """Return what the specifications forbid, and files that are not as they are described."""
    found = [f"no term {term}" for term in TERMS - document["@context"].keys()]
    found += [f"no {name}" for name in REQUIRED - document.keys()]
    for name in RESPONSIBLE:
        value = document.get(f"rai:{name}", "")
        sentences = [value] if isinstance(value, str) or name in ONE else value
        if not all(isinstance(sentence, str) and sentence for sentence in sentences):
            found.append(f"rai:{name} is not as it must be")
    nodes = [*document["distribution"], *document["recordSet"]]
    ids = [node["@id"] for node in nodes]
    ids += [field["@id"] for node in document["recordSet"] for field in node["field"]]
    if len(set(ids)) < len(ids):
        found.append("ids are not unique")
    for node in document["distribution"]:
        found += file_faults(node, folder)
    for node in document["recordSet"]:
        found += record_faults(node, ids, folder)
    return found


def file_faults(node: dict[str, Any], folder: Path) -> list[str]:
    content = (folder / node["contentUrl"]).read_bytes()
    wanted = {
        "@type": "cr:FileObject",
        "sha256": hashlib.sha256(content).hexdigest(),
        "contentSize": f"{len(content)} B",
        "encodingFormat": "application/jsonlines",
    }
    return [f"{node['@id']}: {key}" for key, value in wanted.items() if node.get(key) != value]


def record_faults(node: dict[str, Any], ids: list[str], folder: Path) -> list[str]:
    fields = {field["@id"]: field for field in node["field"]}
    found = [f"{name}: type" for name, field in fields.items() if field["dataType"] not in TYPES]
    if node["key"]["@id"] not in fields:
        found.append(f"{node['@id']}: key")
    if "data" in node:
        same = all(record.keys() == fields.keys() for record in node["data"])
        return found if same else [*found, f"{node['@id']}: data"]
    for name, field in fields.items():
        file = field["source"]["fileObject"]["@id"]
        column = field["source"]["extract"]["column"]
        lines = (folder / file).read_text().splitlines() if file in ids else []
        if not any(column in json.loads(line) for line in lines):
            found.append(f"{name}: source")
    return found


@pytest.fixture
def described(make_work, varied):
    """A function that builds a dataset and returns its description, folder and record."""

    def make(rows=None, golden=None, **options) -> tuple[dict[str, Any], Path, Store]:
        work = make_work(rows or varied(120), golden, **options)
        build(work)
        path = work.store.scalar("SELECT path FROM datasets ORDER BY created DESC LIMIT 1")
        folder = work.store.workspace / path
        return json.loads((folder / "croissant.json").read_text()), folder, work.store

    return make


GOLDEN = [{"prompt": f"golden question {n} about {n * 977}", "completion": "g"} for n in range(9)]


def test_the_description_is_in_the_form_of_the_specification(described):
    document, folder, _ = described(golden=GOLDEN)
    assert faults(document, folder) == []
    assert document["@type"] == "sc:Dataset"
    assert document["conformsTo"] == [
        "http://mlcommons.org/croissant/1.0",
        "http://mlcommons.org/croissant/RAI/1.0",
    ]
    assert document["version"] == folder.name
    assert (folder / document["url"]).is_file()


def test_the_check_of_this_test_finds_faults(described):
    document, folder, _ = described(golden=GOLDEN)

    def harmed(harm) -> list[str]:
        broken = copy.deepcopy(document)
        harm(broken)
        return faults(broken, folder)

    def field(broken: dict[str, Any]) -> dict[str, Any]:
        return broken["recordSet"][1]["field"][0]

    assert harmed(lambda d: d.pop("license"))
    assert harmed(lambda d: d["@context"].pop("rai"))
    assert harmed(lambda d: d["distribution"][0].update(sha256="0" * 64))
    assert harmed(lambda d: d["distribution"].pop(0))
    assert harmed(lambda d: field(d)["source"]["extract"].update(column="gone"))
    assert harmed(lambda d: field(d).update({"@id": "train/prompt"}))
    assert harmed(lambda d: d["recordSet"][1]["key"].update({"@id": "train/none"}))
    assert harmed(lambda d: d.update({"rai:dataBiases": [""]}))


def test_every_file_is_listed_with_the_hash_of_the_manifest(described):
    document, folder, _ = described(golden=GOLDEN)
    manifest = json.loads((folder / "manifest.json").read_text())
    listed = {node["@id"]: node["sha256"] for node in document["distribution"]}
    assert listed == {name: entry["sha256"] for name, entry in manifest["files"].items()}


def test_only_the_training_split_may_be_trained_on(described):
    document, _, _ = described(golden=GOLDEN)
    table = {row["splits/name"]: row for row in document["recordSet"][0]["data"]}
    assert {name for name, row in table.items() if row["splits/train_on"]} == {"train"}
    assert table["golden"]["splits/rows"] == len(GOLDEN)
    golden = next(node for node in document["distribution"] if node["@id"] == "golden.jsonl")
    assert "Never to be trained on" in golden["description"]


def test_without_a_golden_set_its_empty_file_is_listed_and_the_lack_told(described):
    document, folder, _ = described()
    assert faults(document, folder) == []
    assert "golden" not in {record_set["@id"] for record_set in document["recordSet"]}
    assert any("no golden set" in limit for limit in document["rai:dataLimitations"])


def test_the_counts_are_those_of_the_dataset(described, varied):
    rows = [dict(row) for row in varied(120)]
    rows[0]["prompt"] += " write to jane.roe@shop.example.com"
    rows += [dict(rows[5]), dict(rows[6])]
    document, _, store = described(rows)
    record = store.row("SELECT * FROM datasets")
    steps = document["rai:dataPreprocessingProtocol"]
    assert f"Records read: {record['rows_read']:,}." in steps
    assert "Exact duplicates: 2 dropped." in steps
    sizes = ", ".join(f"{n} {record[n]:,}" for n in ("train", "validation", "test", "golden"))
    assert f"Rows kept, by split: {sizes}." in steps
    assert "Personal data, email: 1 row." in document["rai:personalSensitiveInformation"]
    assert "mask" in document["rai:dataManipulationProtocol"]
    assert any("Repeats were merged" in bias for bias in document["rai:dataBiases"])


def test_no_row_is_quoted(described, varied):
    document, _, _ = described(golden=GOLDEN)
    text = json.dumps(document, ensure_ascii=False)
    assert not any(row["prompt"] in text for row in [*varied(120), *GOLDEN])


def test_preferences_have_their_fields_described(described, varied):
    rows = [
        {"prompt": row["prompt"], "chosen": f"yes {n}", "rejected": f"no {n}"}
        for n, row in enumerate(varied(120))
    ]
    document, folder, _ = described(rows)
    assert faults(document, folder) == []
    names = {field["name"] for field in document["recordSet"][1]["field"]}
    assert {"form", "rejected"} <= names


def test_conversations_have_their_history_described(described, varied):
    rows = []
    for row in varied(120):
        turns = [("user", row["prompt"]), ("assistant", "which one?"), ("user", row["prompt"][:30])]
        turns.append(("assistant", row["completion"]))
        rows.append({"messages": [{"role": r, "content": c} for r, c in turns]})
    document, folder, _ = described(rows)
    assert faults(document, folder) == []
    history = next(f for f in document["recordSet"][1]["field"] if f["name"] == "history")
    assert history["repeated"] is True


@pytest.mark.skipif(find_spec("mlcroissant") is None, reason="needs: pip install mlcroissant")
def test_the_reference_reader_validates_it_and_reads_every_row(described):
    import mlcroissant

    _, folder, _ = described(golden=GOLDEN)
    dataset = mlcroissant.Dataset(str(folder / "croissant.json"))
    issues = dataset.metadata.ctx.issues
    assert not issues.errors
    assert all("citeAs" in warning or "version" in warning.lower() for warning in issues.warnings)
    for split in ("train", "validation", "test", "golden"):
        wanted = [json.loads(line) for line in (folder / f"{split}.jsonl").open()]
        read = list(dataset.records(split))
        assert len(read) == len(wanted)
        for row, record in zip(wanted, read, strict=True):
            assert record[f"{split}/prompt"].decode() == row["prompt"]
            assert record[f"{split}/completion"].decode() == row["completion"]
    assert {r["splits/name"] for r in dataset.records("splits")} == {"train", "validation", "test", "golden"}  # fmt: skip
