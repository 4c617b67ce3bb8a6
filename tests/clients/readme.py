#!/usr/bin/env python3
"""Keeps openapi/README.md true: its blocks are the programs in this folder, its table is the last measured.

usage: readme.py --check          fails if a block is not the program, or a version not the pinned one
       readme.py --write [TABLE]  writes the blocks, and the measured table with its date
       readme.py --is-current     whether the table was measured from what is here now
"""

import datetime
import hashlib
import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
README = ROOT / "openapi/README.md"
LANGUAGES = {".sh": "sh", ".ts": "ts", ".py": "python", ".java": "java", ".go": "go", ".php": "php", ".rb": "ruby",
             ".rs": "rust", ".cs": "csharp", ".kt": "kotlin", ".swift": "swift", ".ps1": "powershell"}
# What the measured table depends on.
INPUTS = ["openapi/*.yaml", "tests/clients/**/*", "src/emulator.rs", "src/emulator/*.rs", "examples/emulator/*.rs",
          ".ci/specification"]


def fingerprint():
    digest = hashlib.sha256()
    for path in sorted({path for pattern in INPUTS for path in ROOT.glob(pattern)}):
        if path.is_file() and not {"__pycache__", "node_modules"} & set(path.parts):
            digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def block(name):
    path = HERE / name
    lines = [line for line in path.read_text().splitlines() if not re.match(r"(//|#) uses: ", line)]
    return f"```{LANGUAGES[path.suffix]}\n" + "\n".join(lines) + "\n```"


def limits(_):
    sys.path.insert(0, str(HERE))
    sys.dont_write_bytecode = True
    from run import CLIENTS
    known = json.loads((HERE / "known.json").read_text())
    lines = [f"- {CLIENTS[name]['title']}, {case}: {cell['cell']}. {cell['why']}"
             for name, cells in known.items() for case, cell in cells.items()]
    return "\n".join(lines)


def filled(text, table=None):
    def fill(match):
        kind, argument = match[1], match[2]
        if kind == "table":
            if table is None:
                return match[0]
            today = datetime.date.today().isoformat()
            content = f"Measured on {today} (inputs `{fingerprint()}`):\n\n{table.read_text().strip()}"
        else:
            content = {"block": block, "limits": limits}[kind](argument)
        return f"<!-- {kind}{' ' + argument if argument else ''} -->\n{content}\n<!-- end -->"

    return re.sub(r"<!-- (block|limits|table)(?: (\S+))? -->\n(?:.*?\n)??<!-- end -->", fill, text, flags=re.DOTALL)


def main():
    text = README.read_text()
    if sys.argv[1] == "--is-current":
        sys.exit(f"`{fingerprint()}`" not in text)
    if sys.argv[1] == "--write":
        README.write_text(filled(text, Path(sys.argv[2]) if len(sys.argv) > 2 else None))
    elif filled(text) != text:
        sys.exit("openapi/README.md differs from the programs in tests/clients: run tests/clients/readme.py --write")
    pinned = json.loads((HERE / "package.json").read_text())["dependencies"]
    for package, version in re.findall(r"npx (@[\w/-]+)@([\d.]+)", README.read_text()):
        if pinned.get(package) != version:
            sys.exit(f"openapi/README.md has {package} {version}, pinned is {pinned.get(package)}")


if __name__ == "__main__":
    main()
