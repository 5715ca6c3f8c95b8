"""How far the predicted memory of a model is from what llama.cpp takes: models made here, loaded, and asked once.

The weights of a file are mapped, and counted as they are touched; key-value cache and buffers are the process's own.
Taken is the most that the process held, less what it held before it loaded anything. On a CPU llama.cpp keeps a
second copy of some types, rearranged, and a card has buffers of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

_LOAD = """
import json, re, sys, urllib.request
from pathlib import Path
import xllamacpp
def held():
    found = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024
before = held()
params = xllamacpp.CommonParams()
params.model.path, params.n_ctx, params.n_parallel = sys.argv[1], int(sys.argv[2]), 1
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 2
params.warmup = params.fit_params = False
params.cache_ram_mib, params.verbosity = 0, -1
server = xllamacpp.Server(params)
prompt = [300 + at % 50 for at in range(int(sys.argv[2]) - 40)]
body = json.dumps({"prompt": prompt, "n_predict": 4, "temperature": 0}).encode()
request = urllib.request.Request(server.listening_address + "/completion", body, {"Content-Type": "application/json"})
urllib.request.urlopen(request, timeout=600).read()
print(json.dumps({"taken": held() - before}), flush=True)
import os; os._exit(0)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--quants", nargs="+", default=["q8_0", "q4_k_m"])
    parser.add_argument("--contexts", type=int, nargs="+", default=[512, 2048, 4096])
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    from hub_convert import make  # noqa: PLC0415

    from hone_hub.convert import Quant, convert  # noqa: PLC0415
    from hone_hub.gguf import inspect  # noqa: PLC0415

    told: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=arguments.folder) as temporary:
        for layers in arguments.layers:
            folder = Path(temporary) / f"model-{layers}"
            make(folder, layers)
            for quant in arguments.quants:
                out = Path(temporary) / "out.gguf"
                convert(folder, out, Quant(quant), force=True)
                for context in arguments.contexts:
                    predicted = inspect(out, context=context, render=False).memory
                    assert predicted is not None
                    command = [sys.executable, "-c", _LOAD, str(out), str(context)]
                    loaded = subprocess.run(command, capture_output=True, text=True, check=True)
                    taken = json.loads(loaded.stdout.splitlines()[-1])["taken"]
                    told.append(
                        {
                            "layers": layers,
                            "quant": quant,
                            "context": context,
                            "predicted_mb": round(predicted.total_bytes / 1e6),
                            "taken_mb": round(taken / 1e6),
                            "off_percent": round(100 * (predicted.total_bytes / taken - 1), 1),
                        }
                    )
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1] / "services/hub/tests"))
    main()
