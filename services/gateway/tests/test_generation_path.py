"""From POST to the artifact: nothing lost, nothing twice."""

from playing import generated, next_command, publish, running, settings


async def test_a_request_becomes_a_command_and_its_answer_an_artifact(nats_server, database_url):
    async with running(settings(nats_server.url, database_url)) as gateway:
        response = await gateway.post()
        assert response.status_code == 202
        job_id = response.json()["job_id"]
        assert response.headers["location"] == response.json()["status_url"] == f"/api/jobs/{job_id}"
        assert (await gateway.job(job_id))["state"] == "queued"

        command = await next_command(gateway.jetstream)
        assert (command.correlation_id, command.requirements) == (job_id, "A member has many loans.")
        event = generated(command)
        await publish(gateway.jetstream, event)

        job = await gateway.job_in(job_id, "succeeded")
        artifact_id = job["result"]["artifact_id"]
        document = (await gateway.http.get(f"/api/artifacts/{artifact_id}")).json()
        assert document.pop("created_at").endswith("+00:00")
        assert document == event.artifact.model_dump(mode="json") | {"job_id": job_id}
