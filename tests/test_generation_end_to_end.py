"""`hone generate` as a user runs it: real services, real NATS, the starter model, Mermaid's grammar."""

import json
from pathlib import Path

import pytest
from machine import Machine

TEXTS = {
    "library": Path("examples/library/requirements.md").read_text(),
    "list": "# Parking garage\n\nWe keep for each parking spot:\n- its number\n- its level\n- the daily rate\n",
    "hostile": 'A "mem`ber\\" has a {name} and an <email>. %% Each erDiagram owns many direction LR. \u202e',
    "no facts": "The system should be fast. Please finish it by Friday; the budget is tight!",
    "emoji": "Each 🐝 hive has a colour. A beekeeper owns many hives. 蜂蜜 has a weight.",
}
FIELDS = {
    "artifact_id", "job_id", "type", "content", "ir", "score", "accepted", "model", "attempts", "validators",
    "evidence", "timings_ms",
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_generate_gives_the_whole_document_with_valid_mermaid(
    shared_machine: Machine, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "requirements.md"
    file.write_text(TEXTS[name])
    done = shared_machine.hone("generate", "--type", "mermaid_erd", "-f", str(file), "--json")
    assert done.returncode == 0, done.stderr
    artifact = json.loads(done.stdout)
    assert set(artifact) >= FIELDS
    assert {each["name"]: each["passed"] for each in artifact["validators"]}["syntax"]
    assert 0 <= artifact["score"] <= 100
    assert artifact["model"] == "llamacpp:hone-starter"
    assert set(artifact["evidence"][0]) == {"element", "text"} if artifact["evidence"] else True


HELD_OUT = sorted(Path("bench/starter_texts").glob("*.json"))


@pytest.mark.parametrize("file", HELD_OUT, ids=lambda file: file.stem)
def test_texts_that_nobody_tuned_for_give_valid_mermaid_and_evidence_from_the_text(
    shared_machine: Machine, file: Path
) -> None:
    text = json.loads(file.read_text())["text"]
    done = shared_machine.hone("generate", "-t", "mermaid_erd", "-r", text, "--json")
    assert done.returncode == 0, done.stderr
    artifact = json.loads(done.stdout)
    assert {each["name"]: each["passed"] for each in artifact["validators"]}["syntax"]
    assert artifact["evidence"]


def test_each_element_that_was_stated_names_the_passage_it_came_from(shared_machine: Machine) -> None:
    done = shared_machine.hone("generate", "-t", "mermaid_erd", "-r", TEXTS["library"], "--json")
    artifact = json.loads(done.stdout)
    evidence = {each["element"]: each["text"] for each in artifact["evidence"]}
    stated = [entity for entity in artifact["ir"]["entities"] if not entity["derived"]]
    assert stated
    for entity in stated:
        assert f"entity:{entity['name']}" in evidence
    assert all(text.split()[0] in TEXTS["library"] for text in evidence.values())


def test_a_person_sees_the_diagram_and_the_reasons(shared_machine: Machine) -> None:
    done = shared_machine.hone("generate", "-t", "mermaid_erd", "-r", TEXTS["library"])
    assert done.stdout.startswith("erDiagram")
    assert "score" in done.stderr and "coverage" in done.stderr
    assert "llamacpp:hone-starter" in done.stderr


def test_what_was_generated_validates_alone(shared_machine: Machine, tmp_path: Path) -> None:
    diagram, requirements = tmp_path / "diagram.mmd", tmp_path / "requirements.md"
    requirements.write_text(TEXTS["library"])
    shared_machine.hone("generate", "-t", "mermaid_erd", "-f", str(requirements), "-o", str(diagram))
    done = shared_machine.hone(
        "validate", "--type", "mermaid_erd", str(diagram), "--requirements", str(requirements), "--json"
    )
    assert {each["name"] for each in json.loads(done.stdout)["validators"]} == {
        "syntax",
        "structure",
        "references",
        "coverage",
        "grounding",
        "purity",
        "style",
    }


@pytest.mark.parametrize(
    ("words", "exit_code", "says"),
    [
        (["generate", "-t", "mermaid_erd", "-r", "   "], 2, "requirements"),
        (["generate", "-t", "haiku", "-r", "A member."], 2, "mermaid_erd"),
        (["generate", "-t", "mermaid_erd", "-r", "A mem\x07ber."], 2, "control character"),
        (["generate", "-t", "mermaid_erd", "-r", "A member.", "--model", "nonsense"], 2, "model reference"),
        (["generate", "-t", "mermaid_erd", "-r", "A member.", "--model", "llamacpp:nobody"], 1, "nobody"),
        (["jobs", "show", "job_01j00000000000000000000000"], 3, "job"),
        (["jobs", "show", "../../etc/passwd"], 3, ""),
        (["models", "show", "llamacpp:nobody"], 3, "nobody"),
        (["hub", "inspect-file", "/nowhere/at-all.gguf"], 2, "at-all.gguf"),
        (["train", "--type", "mermaid_erd", "--method", "lora", "--set", "rank=1"], 2, "rank: 1 (from set)"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(
    shared_machine: Machine, words: list[str], exit_code: int, says: str
) -> None:
    done = shared_machine.hone(*words)
    assert done.returncode == exit_code, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert says in last


def test_a_megabyte_of_requirements_is_refused_and_says_how_much_goes(shared_machine: Machine) -> None:
    done = shared_machine.hone("generate", "-t", "mermaid_erd", "-r", "-", stdin="A member. " * 105_000)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert "KiB" in done.stderr or "bytes" in done.stderr


def test_malformed_json_is_a_problem_document(shared_machine: Machine) -> None:
    with shared_machine.client() as client:
        refused = client.post(
            "/api/artifacts", content=b'{"type": ', headers={"Content-Type": "application/json"}
        )
    assert (refused.status_code, refused.headers["content-type"]) == (400, "application/problem+json")


def test_a_wrong_key_is_refused(shared_machine: Machine) -> None:
    with shared_machine.client() as client:
        refused = client.get("/api/jobs", headers={"Authorization": "Bearer hone_wrong"})
    assert refused.status_code == 401
    assert refused.headers["content-type"].startswith("application/problem+json")


def test_the_registry_holds_the_starter_as_champion_and_its_route(shared_machine: Machine) -> None:
    models = json.loads(shared_machine.hone("models", "ls", "--json").stdout)
    (starter,) = [each for each in models["models"] if each["name"] == "llamacpp:hone-starter"]
    assert (starter["versions"][0]["version"], starter["versions"][0]["aliases"]) == (1, ["champion"])
    routes = json.loads(shared_machine.hone("routes", "show", "--json").stdout)
    assert routes["routes"]["mermaid_erd"]["model"] == "llamacpp:hone-starter"


def test_a_gguf_that_lies_about_its_sizes_is_told_apart_from_the_starter(
    shared_machine: Machine, tmp_path: Path
) -> None:
    whole = Path("libs/hone/hone/starter/hone-starter-q8_0.gguf")
    report = json.loads(shared_machine.hone("hub", "inspect-file", str(whole.resolve()), "--json").stdout)
    assert "llama" in json.dumps(report)
    for name, content in {
        "cut": whole.read_bytes()[:-1000],
        "lies": whole.read_bytes()[:8] + b"\xff" * 64,
    }.items():
        bad = tmp_path / f"{name}.gguf"
        bad.write_bytes(content)
        done = shared_machine.hone("hub", "inspect-file", str(bad))
        assert done.returncode == 2, done.stderr
        assert len(done.stderr.splitlines()) == 1
