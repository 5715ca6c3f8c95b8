"""The AsyncAPI document of a service, from its code: ``python -m hone_chassis.asyncapi hone_gateway.app``."""

import importlib
import json
import sys
from typing import Any

from faststream.specification import AsyncAPI

from hone_chassis.service import Service


def document(service: Service) -> dict[str, Any]:
    """What the service takes, answers and announces, as AsyncAPI 3."""
    specification = AsyncAPI(
        service.broker, title=f"hone-{service.name}", version="0.1.0", schema_version="3.0.0"
    ).to_specification()
    made: dict[str, Any] = json.loads(specification.to_json())
    for subject in service.listeners:
        made["channels"][subject] = {"address": subject, "messages": {}}
        made["operations"][subject] = {"action": "receive", "channel": {"$ref": f"#/channels/{subject}"}}
    return made


if __name__ == "__main__":
    sys.stdout.write(json.dumps(document(importlib.import_module(sys.argv[1]).create()), indent=2) + "\n")
