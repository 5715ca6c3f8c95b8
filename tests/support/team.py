"""A team that works with a whole Hone: asks for diagrams, corrects them, waits for what is learned."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from team_texts import TeamText

from hone_contracts.artifacts import ArtifactType
from hone_generator.artifacts import KINDS
from hone_generator.teaching.agreement import agreement

TYPE = "mermaid_erd"


@dataclass
class Team:
    """People with keys of their own, and ``http`` with that of whoever looks after Hone.

    All waiting has a limit, and tells what was seen last."""

    http: httpx.Client
    model: str = "llamacpp:hone-starter"
    keys: list[str] = field(default_factory=list)

    def artifact(self, requirements: str, **more: Any) -> dict[str, Any]:
        """The artifact, once it is there."""
        job = self.ended(self.asked(requirements, **more))
        assert job["state"] == "succeeded", job["error"]
        found: dict[str, Any] = self._get(f"/api/artifacts/{job['result']['artifact_id']}")
        return found

    def artifacts(self, texts: Iterable[str]) -> list[dict[str, Any]]:
        """Asked for at once, in the order of the texts."""
        jobs = [self.asked(text) for text in texts]
        ended = [self.ended(job) for job in jobs]
        return [self._get(f"/api/artifacts/{job['result']['artifact_id']}") for job in ended]

    def asked(self, requirements: str, **more: Any) -> str:
        answer = self.http.post("/api/artifacts", json={"type": TYPE, "requirements": requirements} | more)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job_id"])

    def said(self, artifact: dict[str, Any], person: int = 0, **word: Any) -> dict[str, Any]:
        """One of three people's word."""
        headers = {"Authorization": f"Bearer {self._key(person % 3)}"}
        answer = self.http.post(
            f"/api/artifacts/{artifact['artifact_id']}/feedback", json=word, headers=headers
        )
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def corrected(self, texts: Sequence[TeamText], wrong: Callable[[TeamText], str] | None = None) -> None:
        """Artifacts for all texts, each corrected by one of three people."""
        for number, (text, artifact) in enumerate(
            zip(texts, self.artifacts(text.requirements for text in texts), strict=True)
        ):
            correction = wrong(text) if wrong is not None else text.correct
            self.said(artifact, number, correction=correction)

    def ended(self, job: str, limit_s: float = 240) -> dict[str, Any]:
        found: dict[str, Any] = self.until(
            lambda: self._get(f"/api/jobs/{job}"), lambda found: found["finished_at"], limit_s
        )
        return found

    def run(self, number: int = 0, limit_s: float = 600) -> dict[str, Any]:
        """The ``number``-th run that there was, once it has ended."""
        found: dict[str, Any] = self.until(
            lambda: self.runs()[number : number + 1],
            lambda found: bool(found) and found[0]["finished_at"],
            limit_s,
        )[0]
        return found

    def runs(self) -> list[dict[str, Any]]:
        """Oldest first."""
        jobs = self._get("/api/jobs", limit=200)["jobs"]
        return sorted((job for job in jobs if job["kind"] == "train"), key=lambda job: str(job["id"]))

    def route(self) -> dict[str, Any]:
        found: dict[str, Any] = self._get("/api/routes")["routes"][TYPE]
        return found

    def versions(self) -> dict[int, dict[str, Any]]:
        return {each["version"]: each for each in self._get(f"/api/models/{self.model}")["versions"]}

    def evaluations(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._get(f"/api/models/{self.model}/evaluations")["evaluations"]
        return found

    def until(
        self, look: Callable[[], Any], holds: Callable[[Any], object] = bool, limit_s: float = 60
    ) -> Any:
        ends, seen = time.monotonic() + limit_s, None
        while time.monotonic() < ends:
            try:
                if holds(seen := look()):
                    return seen
            except httpx.TransportError as error:  # the gateway itself may be restarting
                seen = error
            time.sleep(0.1)
        raise AssertionError(f"still {seen!r} after {limit_s:g} s")

    def _key(self, person: int) -> str:
        while len(self.keys) <= person:
            made = self.http.post("/api/keys", json={"name": f"person-{len(self.keys)}"})
            assert made.status_code == 201, made.text
            self.keys.append(made.json()["key"])
        return self.keys[person]

    def _get(self, path: str, **query: Any) -> Any:
        answer = self.http.get(path, params=query)
        if answer.status_code == 503:  # a gateway that has just been started again
            raise httpx.ReadError(answer.text)
        assert answer.status_code == 200, f"{path}: {answer.text}"
        return answer.json()


def relations_f1(artifact: dict[str, Any], text: TeamText) -> float:
    """How much of the relations is as the team would have them."""
    kind = KINDS[ArtifactType.MERMAID_ERD]
    return agreement(kind, artifact["content"], text.correct, {}).relations or 0.0
