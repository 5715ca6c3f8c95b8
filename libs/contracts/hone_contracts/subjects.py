"""Subject names: who listens where. One place, so that no service spells one by hand."""


def command(service: str, verb: str, version: int = 1) -> str:
    return f"hone.command.{service}.{verb}.v{version}"


def event(noun: str, past_verb: str, version: int = 1) -> str:
    return f"hone.event.{noun}.{past_verb}.v{version}"


def rpc(service: str, verb: str, version: int = 1) -> str:
    return f"hone.rpc.{service}.{verb}.v{version}"


def progress(job_id: str) -> str:
    return f"{PROGRESS_PREFIX}{job_id}"


def dead(original: str) -> str:
    return f"{DEAD_PREFIX}{original}"


PROGRESS_PREFIX = "hone.progress."
DEAD_PREFIX = "hone.dead."
ALL_COMMANDS = "hone.command.>"
ALL_EVENTS = "hone.event.>"
ALL_PROGRESS = "hone.progress.*"
ALL_DEAD = "hone.dead.>"
ALL_EXHAUSTED = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>"  # nats-server's own subjects
