"""The wire format is pinned: a golden file per message. Fields are only ever added.

After adding a field, run with ``HONE_UPDATE_GOLDEN=1`` and read the difference before committing it.
"""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

from hone_contracts import catalog, streams
from hone_contracts.artifacts import Artifact, ArtifactType, Attempt, Evidence, ValidatorResult
from hone_contracts.card import CardLease, CardMemory, CardReleased, ReleaseCard, RenewCard, RequestCard
from hone_contracts.deployment import DeploymentFailed, ModelDeployed
from hone_contracts.errors import ErrorBody, Reply
from hone_contracts.evaluation import (
    AnswerFigures,
    EvaluateVersions,
    EvaluationCompleted,
    EvaluationFailed,
    PairFigures,
    VersionJudged,
)
from hone_contracts.feedback import Answered, Correction, FeedbackRecorded
from hone_contracts.generation import ArtifactGenerated, GenerateArtifact, GenerationFailed
from hone_contracts.hub import (
    Checkpoint,
    Conversion,
    ConversionFailed,
    ConvertModel,
    ModelConverted,
    PromptsRead,
    RequestConversion,
)
from hone_contracts.hub_models import (
    AddedModel,
    AdditionFailed,
    AddModel,
    ModelAdded,
    ModelRemoved,
    ModelSource,
    RemovalFailed,
    RemoveModel,
)
from hone_contracts.huggingface import (
    FoundModel,
    FoundModels,
    MemoryFigures,
    MemoryPlace,
    RepositoryFile,
    RepositoryReport,
    WeightGroup,
)
from hone_contracts.job_messages import JobCancelled
from hone_contracts.messages import JobProgressed, Message
from hone_contracts.pool import (
    DatasetRow,
    DatasetShown,
    ExamplesImported,
    ImportExamples,
    PoolCount,
    PoolCounts,
    RefusedRow,
    Run,
    Runs,
    StoredDataset,
)
from hone_contracts.providers import GpuStatus, ProviderModel, Providers, ProviderStatus
from hone_contracts.registry import (
    Budget,
    CanaryVersion,
    PromptVersion,
    Route,
    RouteChange,
    RouteChanged,
    RouteModel,
    Routes,
    RoutesApplied,
    ServedVersion,
    TimeLimits,
    Turn,
)
from hone_contracts.training import (
    Curve,
    CurvePoint,
    DatasetBuilt,
    DatasetSummary,
    EnvironmentFinding,
    Environments,
    PlannedVersion,
    StartTraining,
    SteerTraining,
    TrainingCompleted,
    TrainingFailed,
    TrainingStarted,
    TrainModel,
    TrainOnCard,
    TrainOnLargeCard,
    WorkerEnvironment,
)
from hone_contracts.validation import ValidateArtifact, Validation

GOLDEN = Path(__file__).parent / "golden"
FIRST = GOLDEN / "first"  # as the first version wrote what has grown since

ENVELOPE: dict[str, Any] = {
    "message_id": UUID("01930000-0000-7000-8000-000000000001"),
    "occurred_at": datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC),
    "correlation_id": "job_01j00000000000000000000000",
    "causation_id": UUID("01930000-0000-7000-8000-000000000000"),
    "tenant": "acme",
}
ERROR = ErrorBody(code="no_model", title="No such model", detail="add it with `hone hub add`", status=404)
ATTEMPT = Attempt(
    model="llamacpp:hone-starter", prompt_version="erd-1", score=87, prompt_tokens=25, latency_ms=12.5
)
ARTIFACT = Artifact(
    artifact_id="art_01j00000000000000000000000",
    type=ArtifactType.MERMAID_ERD,
    content='erDiagram\n    MEMBER["Mémber"]',
    ir={"entities": [{"name": "member"}]},
    score=87,
    accepted=True,
    model="llamacpp:hone-starter",
    attempts=(ATTEMPT,),
    validators=(ValidatorResult(name="syntax", score=100, passed=True, messages=()),),
    evidence=(Evidence(element="entity:member", text="Each member has a name."),),
    timings_ms={"total": 31.5},
    advice="A larger model will do better.",
)
ROUTE = Route(artifact_type=ArtifactType.MERMAID_ERD, model="llamacpp:hone-starter", reading="passages")
WHOLE_ROUTE = Route(
    artifact_type="default",
    model="ollama:qwen2.5-coder:7b",
    fallbacks=(RouteModel(model="llamacpp:mine", reading="passages", model_uri="file:///m.gguf", version=2),),
    limits=TimeLimits(connect_s=1, first_token_s=2.5, total_s=3),
    budget=Budget(deadline_s=60, max_tokens=1000, max_cost_usd=0.5),
    cloud=True,
    cloud_models=("gemini:gemini-2.5-flash",),
)

PROMPT = PromptVersion(
    reading="whole",
    system="Answer in JSON.",
    turns=(Turn(role="user", content="A member has loans."), Turn(role="assistant", content="{}")),
)
TRAINED = ServedVersion(
    model_uri="file:///models/v2.gguf",
    model_sha256="ab",
    version=2,
    served_by="llamacpp:hone-starter:v2_20261125T223000Z",
)
PLANNED = PlannedVersion(
    model="llamacpp:hone-starter",
    reading="passages",
    version=2,
    name="v2_20261125T223000Z",
    base=ServedVersion(model_uri="file:///models/a.gguf", model_sha256="00"),
)
DATASET = DatasetSummary(
    digest="00",
    artifact_type=ArtifactType.MERMAID_ERD,
    train=42,
    held_out=10,
    replayed=4,
    against=7,
    sources={"correction": 50},
    train_uri="file:///d/train.jsonl",
    held_out_uri="file:///d/held_out.jsonl",
)
MEMORY = MemoryFigures(
    context_tokens=4096, weights_bytes=9, kv_cache_bytes=4, compute_bytes=2, total_bytes=15
)
ADDED = AddedModel(
    name="tiny:q4_k_m",
    references=("ollama:tiny:q4_k_m",),
    source=ModelSource(
        kind="huggingface", repository="acme/tiny-GGUF", revision="0123abc", files=("tiny-Q4_K_M.gguf",)
    ),
    licence="apache-2.0",
    architecture="llama",
    quant="Q4_K_M",
    sha256="ab",
    size_bytes=9,
    memory=MEMORY,
    template_sha256="cd",
    proof={"answer": "Books."},
    added_at=ENVELOPE["occurred_at"],
)
LOOP: dict[str, Any] = {"artifact_type": ArtifactType.MERMAID_ERD, "method": "full"}
EVALUATED: dict[str, Any] = {"artifact_type": ArtifactType.MERMAID_ERD, "model": "llamacpp:hone-starter"}

EXAMPLES: tuple[BaseModel, ...] = (
    FeedbackRecorded(
        **ENVELOPE,
        feedback_id="fb_01j00000000000000000000000",
        artifact_id=ARTIFACT.artifact_id,
        artifact_type=ArtifactType.MERMAID_ERD,
        model="llamacpp:hone-starter",
        version=1,
        user="anna",
        thumb="down",
        comment="Loans are what members have.",
        correction=Correction(content="erDiagram\n    MEMBER ||--o{ LOAN : has", score=92, distance=0.25),
        reward=0.5,
        validators_score=87,
        answered=Answered(
            artifact_id=ARTIFACT.artifact_id,
            artifact_type=ArtifactType.MERMAID_ERD,
            requirements="A member has loans.",
            content=ARTIFACT.content,
            evidence=ARTIFACT.evidence,
            score=87,
            model="llamacpp:hone-starter",
            version=1,
        ),
    ),
    StartTraining(**ENVELOPE, artifact_type=ArtifactType.MERMAID_ERD, method="few_shot", settings={"k": 4}),
    TrainModel(**ENVELOPE, **LOOP, batch="batch_1"),
    TrainOnCard(**ENVELOPE, **LOOP, batch="batch_1"),
    TrainOnLargeCard(**ENVELOPE, **LOOP, batch="batch_1"),
    SteerTraining(tenant="acme", run_id="job_01j00000000000000000000000", action="pause"),
    Curve(
        run_id="job_01j00000000000000000000000",
        steps=40,
        points=(CurvePoint(step=1, loss=2.5, learning_rate=0.001), CurvePoint(step=40, held_out_loss=1.25)),
    ),
    Environments(
        workers=(
            WorkerEnvironment(
                worker="w1",
                device="cuda",
                card="A100",
                card_bytes=40 << 30,
                methods=("lora", "qlora"),
                findings=(EnvironmentFinding(name="bf16", severity="ok", found="supported"),),
                seen_at=ENVELOPE["occurred_at"],
            ),
        )
    ),
    Checkpoint(uri="file:///m/hf", source="hf:acme/model@0123", done_bytes=7, total_bytes=7, licence="mit"),
    RequestConversion(
        source_uri="file:///r/hf", target_uri="file:///r/m.gguf", quantization="q8_0", name="m", version="v2"
    ),
    Conversion(sha256="00", size_bytes=7),
    PromptsRead(rendered=("<s>hi", None), token_ids=((1, 2), None), end_ids=(3,)),
    TrainingStarted(**ENVELOPE, **LOOP, trigger="examples", examples=50),
    DatasetBuilt(**ENVELOPE, dataset=DATASET),
    TrainingCompleted(
        **ENVELOPE,
        **LOOP,
        planned=PLANNED,
        dataset=DATASET,
        weights_uri="file:///r/hf",
        parameters={"epochs": 3},
        figures={"loss": 0.1},
        code_version="0.1.0",
    ),
    TrainingFailed(**ENVELOPE, **LOOP, error=ERROR),
    ModelDeployed(
        **ENVELOPE,
        **LOOP,
        planned=PLANNED,
        dataset=DATASET,
        served=TRAINED,
        uri="file:///models/v2.gguf",
        sha256="ab",
        size_bytes=1,
        proof={"answer": "[]"},
    ),
    DeploymentFailed(**ENVELOPE, artifact_type=ArtifactType.MERMAID_ERD, error=ERROR),
    EvaluateVersions(
        **ENVELOPE,
        **EVALUATED,
        reading="passages",
        champion=PLANNED.base,
        challenger=TRAINED,
        held_out_uri="file:///d/held_out.jsonl",
    ),
    EvaluationCompleted(
        **ENVELOPE,
        **EVALUATED,
        champion=1,
        challenger=2,
        pairs=(
            PairFigures(
                item="1",
                champion=AnswerFigures(
                    score=80, overall_f1=0.5, relations_f1=0.25, latency_ms=12.5, tokens=9
                ),
                challenger=AnswerFigures(error="no answer"),
            ),
        ),
    ),
    EvaluationFailed(**ENVELOPE, **EVALUATED, challenger=2, error=ERROR),
    VersionJudged(
        **ENVELOPE,
        **EVALUATED,
        version=2,
        name="v2_20261125T223000Z",
        verdict="canary",
        reasons=("quality +0.12 [0.08, 0.16]",),
        figures={"pairs": 10},
    ),
    PROMPT,
    CanaryVersion(share=0.1, **TRAINED.model_dump()),
    GenerateArtifact(
        **ENVELOPE,
        artifact_type=ArtifactType.SQL_DDL,
        requirements="A member has loans.\n",
        context_text="We say patron.",
        options={"dialect": "sqlite"},
        budget=Budget(deadline_s=30, max_cost_usd=0.01),
    ),
    ArtifactGenerated(**ENVELOPE, artifact=ARTIFACT),
    GenerationFailed(**ENVELOPE, error=ERROR, attempts=(ATTEMPT,)),
    ConvertModel(**ENVELOPE, source_uri="file:///models/a", target_uri="file:///models/a.gguf"),
    ModelConverted(
        **ENVELOPE, target_uri="file:///models/a.gguf", sha256="00", size_bytes=1, report={"tensors": 2}
    ),
    ConversionFailed(**ENVELOPE, error=ERROR),
    AddModel(
        **ENVELOPE, source="acme/tiny-GGUF", quant="Q4_K_M", name="tiny:q4_k_m", destinations=("ollama",)
    ),
    ModelAdded(**ENVELOPE, model=ADDED),
    AdditionFailed(**ENVELOPE, error=ERROR),
    RemoveModel(**ENVELOPE, name="tiny:q4_k_m"),
    ModelRemoved(**ENVELOPE, name="tiny:q4_k_m", references=("ollama:tiny:q4_k_m",), freed_bytes=1),
    RemovalFailed(**ENVELOPE, error=ERROR),
    FoundModels(
        models=(
            FoundModel(
                id="acme/tiny-GGUF",
                downloads=7,
                updated_at=ENVELOPE["occurred_at"],
                licence="apache-2.0",
                formats=("gguf",),
                architecture="llama",
                verdict="runs",
                reason="a GGUF of the architecture llama",
            ),
        )
    ),
    RepositoryReport(
        id="acme/tiny-GGUF",
        revision="0123abc",
        groups=(
            WeightGroup(
                quant="Q4_K_M",
                format="gguf",
                files=(RepositoryFile(path="tiny-Q4_K_M.gguf", size_bytes=9, sha256="ab"),),
                size_bytes=9,
                memory=MEMORY,
                fits="A card",
            ),
        ),
        places=(MemoryPlace(kind="gpu", name="A card", total_bytes=8 << 30, free_bytes=7 << 30),),
        chosen=0,
        reasons=("Q4_K_M fits and is preferred",),
        verdict="runs",
        reason="a GGUF of the architecture llama",
    ),
    JobCancelled(**ENVELOPE),
    RouteChanged(**ENVELOPE, route=ROUTE),
    JobProgressed(**ENVELOPE, sequence=1_000_001, stage="reading", message="passage 1 of 2", done=1, total=2),
    Reply(error=ERROR),
    RequestCard(tenant="acme", run="job_01j00000000000000000000000", lease_s=30, policy="train_first"),
    RenewCard(tenant="acme", run="job_01j00000000000000000000000", token=1_795_000_000_000),
    ReleaseCard(tenant="acme", run="job_01j00000000000000000000000", token=1_795_000_000_000),
    CardLease(
        granted=True,
        token=1_795_000_000_000,
        expires_at=ENVELOPE["occurred_at"],
        cards=(CardMemory(uuid="GPU-1", name="A card", total_bytes=8 << 30, used_bytes=1 << 20),),
    ),
    CardReleased(was_held=True),
    ROUTE,
    Providers(
        providers=(
            ProviderStatus(
                name="ollama",
                local=True,
                ok=True,
                detail="http://127.0.0.1:11434 runs Ollama 0.24.0",
                models=(
                    ProviderModel(model="ollama:qwen2.5-coder:7b", loaded=True, size_bytes=4_700_000_000),
                ),
                models_total=1,
            ),
        ),
        gpus=(GpuStatus(name="NVIDIA H200", total_bytes=150_754_820_096, used_bytes=0),),
    ),
    ValidateArtifact(
        tenant="acme",
        artifact_type=ArtifactType.SQL_DDL,
        content="CREATE TABLE member (id int PRIMARY KEY);",
        requirements="A member has loans.",
        context_text="We say patron.",
        options={"dialect": "sqlite"},
        threshold=70,
    ),
    Validation(
        type=ArtifactType.SQL_DDL,
        score=87,
        accepted=True,
        validators=(ValidatorResult(name="syntax", score=100, passed=True),),
        reasons=("coverage 80 of 100, weight 40%",),
    ),
    PoolCounts(
        types=(
            PoolCount(
                artifact_type=ArtifactType.MERMAID_ERD,
                good=120,
                new=20,
                corrected=11,
                waiting={"disagreement": 2},
                needed=50,
                holds=("30 new examples are missing",),
            ),
        )
    ),
    DatasetShown(
        dataset=StoredDataset(summary=DATASET, created_at=ENVELOPE["occurred_at"], run_id="job_1"),
        report={"errors": 0},
        rows=(
            DatasetRow(
                example="ex_1",
                split="train",
                source="correction",
                origin="fb_1",
                artifact_id="art_1",
                corrected=True,
                weight=0.5,
                group="g1",
                score=92,
            ),
        ),
        rows_total=46,
    ),
    ImportExamples(artifact_type=ArtifactType.SQL_DDL, name="mine.jsonl", text="{}", user="anna"),
    ExamplesImported(
        format="alpaca",
        rows=3,
        good=1,
        known=1,
        waiting=0,
        refused_total=1,
        refused=(RefusedRow(row=3, reason="score 20 of 85 needed"),),
    ),
    Runs(
        runs=(
            Run(
                run_id="job_01j00000000000000000000000",
                artifact_type=ArtifactType.MERMAID_ERD,
                method="full",
                trigger="examples",
                state="succeeded",
                attempt=1,
                batch="batch_1",
                examples=50,
                model="llamacpp:hone-starter",
                version=2,
                version_name="v2_20261125T223000Z",
                dataset_digest="00",
                verdict="canary",
                reasons=("quality +0.12 [0.08, 0.16]",),
                created_at=ENVELOPE["occurred_at"],
                updated_at=ENVELOPE["occurred_at"],
            ),
        )
    ),
    RoutesApplied(
        dry_run=True,
        changes=(RouteChange(artifact_type=ArtifactType.MERMAID_ERD, before=ROUTE, after=None),),
        table=Routes(routes={"default": WHOLE_ROUTE}, set_by={"default": "user"}),
    ),
)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: type(example).__name__)
def test_the_wire_format_is_what_the_golden_file_says(example: BaseModel) -> None:
    file = GOLDEN / f"{type(example).__name__}.json"
    wire = example.model_dump_json()
    if os.environ.get("HONE_UPDATE_GOLDEN"):
        file.write_text(json.dumps(json.loads(wire), indent=2, ensure_ascii=False) + "\n")
    golden = json.dumps(json.loads(file.read_text()), separators=(",", ":"), ensure_ascii=False)
    assert wire == golden, "byte for byte, in the order of the fields"
    assert type(example).model_validate_json(golden) == example


@pytest.mark.parametrize("file", sorted(FIRST.glob("*.json")), ids=lambda file: file.stem)
def test_what_the_first_version_wrote_is_still_read(file: Path) -> None:
    model = {type(example).__name__: type(example) for example in EXAMPLES}[file.stem]
    first = json.loads(file.read_text())
    now = json.loads(model.model_validate(first).model_dump_json())
    assert _without(now, first) == first


def test_a_route_of_the_first_version_keeps_its_one_time_limit() -> None:
    first = json.loads((FIRST / "Route.json").read_text()) | {"timeout_s": 7.5}
    assert Route.model_validate(first).limits == TimeLimits(total_s=7.5)
    mixed = first | {"limits": {"total_s": 3}}
    assert Route.model_validate(mixed).limits == TimeLimits(total_s=3)


def test_every_message_has_a_golden_file() -> None:
    messages = {*catalog.COMMANDS, *catalog.EVENTS, JobProgressed}
    assert messages == {type(example) for example in EXAMPLES if isinstance(example, Message)}


def test_a_field_that_a_newer_sender_added_is_let_through() -> None:
    example = next(each for each in EXAMPLES if isinstance(each, GenerateArtifact))
    newer = json.loads(example.model_dump_json()) | {"priority": 7}
    assert GenerateArtifact.model_validate(newer) == example


@pytest.mark.parametrize(
    "message", [*catalog.COMMANDS, *catalog.EVENTS], ids=lambda message: message.__name__
)
def test_every_message_is_carried_by_exactly_one_stream(message: type[Message]) -> None:
    kind = message.subject.split(".")[1]
    carriers = [
        s.name for s in streams.STREAMS if any(_matches(each, message.subject) for each in s.subjects)
    ]
    assert carriers == [{"command": "HONE_COMMANDS", "event": "HONE_EVENTS"}[kind]]


def test_no_two_messages_share_a_subject() -> None:
    assert len(catalog.BY_SUBJECT) == len(catalog.COMMANDS) + len(catalog.EVENTS)


def _without(now: Any, first: Any) -> Any:
    """``now`` without the fields that ``first`` did not have; but for the time limit, which has its own test."""
    if isinstance(now, dict) and isinstance(first, dict):
        first.pop("timeout_s", None)
        return {key: _without(now.get(key), value) for key, value in first.items()}
    if isinstance(now, list) and isinstance(first, list):
        assert len(now) == len(first)
        return [_without(each, then) for each, then in zip(now, first, strict=True)]
    return now


def _matches(pattern: str, subject: str) -> bool:
    return subject.startswith(pattern.removesuffix(">"))
