#!/usr/bin/env python3
"""Generates a client in each language from the document, builds it, calls the emulator with it, and
compares what it read with cases.json, value by value.

Each folder beside this file is one client: `generate.sh` makes it, `quickstart` is the program that
openapi/README.md shows, and `main` reads lines of `case customer upload token` and prints one line of
JSON for each. `.ci/specification` installs what they need and runs this.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# How each client is built after its generation, and how its two programs are run.
NODE = {"build": [], "quickstart": ["node", "quickstart.js"], "main": ["node", "main.js"]}
PYTHON = {"build": [], "quickstart": ["python", "quickstart.py"], "main": ["python", "main.py"]}
CLIENTS = {
    "openapi-fetch": {"title": "TypeScript, openapi-fetch", **NODE},
    "hey-api": {"title": "TypeScript, Hey API", **NODE},
    "typescript-fetch": {"title": "TypeScript, OpenAPI Generator (fetch)", **NODE},
    "typescript-axios": {"title": "TypeScript, OpenAPI Generator (axios)", **NODE},
    "openapi-python-client": {"title": "Python, openapi-python-client", **PYTHON},
    "python": {"title": "Python, OpenAPI Generator", **PYTHON},
    "java": {
        "title": "Java, OpenAPI Generator",
        # The generator's own archive has the libraries that the client needs.
        "build": [["sh", "-c", 'javac -nowarn -d classes -cp "$GENERATOR_JAR" -sourcepath client/src/main/java:. *.java']],
        "quickstart": ["sh", "-c", 'java -cp "classes:$GENERATOR_JAR" Quickstart'],
        "main": ["sh", "-c", 'java -cp "classes:$GENERATOR_JAR" Main "$0"'],
    },
    "go": {
        "title": "Go, OpenAPI Generator",
        "build": [["go", "build", "-o", "bin/", "./quickstart", "./main"]],
        "quickstart": ["bin/quickstart"],
        "main": ["bin/main"],
    },
    "php": {
        "title": "PHP, OpenAPI Generator",
        "build": [],
        "quickstart": ["php", "quickstart.php"],
        "main": ["php", "main.php"],
    },
    "ruby": {
        "title": "Ruby, OpenAPI Generator",
        "build": [],
        "quickstart": ["ruby", "quickstart.rb"],
        "main": ["ruby", "main.rb"],
    },
    "rust": {
        "title": "Rust, OpenAPI Generator",
        "build": [["cargo", "build", "--quiet", "--locked", "--target-dir", "../rust-target"]],
        "quickstart": ["../rust-target/debug/quickstart"],
        "main": ["../rust-target/debug/main"],
    },
    "partner-center-devices": {
        "title": "Rust, this crate (progenitor)",
        "build": [],
        "main": ["sh", "-c", '"$EXAMPLES/measured_client" "$0"'],
    },
    "curl": {"title": "curl and jq", "build": [], "quickstart": ["bash", "quickstart.sh"], "main": ["bash", "main.sh"]},
}
# There is no runtime for these in the registries that CI has: they are generated, and their programs
# use no name that the generated client does not have.
GENERATED_ONLY = {"csharp": "C#", "kotlin": "Kotlin", "swift": "Swift", "powershell": "PowerShell"}


def run(command, folder, **options):
    outcome = subprocess.run(command, cwd=folder, text=True, capture_output=True, timeout=600, **options)
    if outcome.returncode != 0:
        sys.exit(f"{folder.name}: {command} ended with {outcome.returncode}\n{outcome.stdout}{outcome.stderr}")
    return outcome.stdout


def generate(name, work, document):
    """A fresh folder with the programs and the client that the document gives."""
    folder = work / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(HERE / name, folder)
    for shared in HERE.glob("shared.*"):
        shutil.copy(shared, folder)
    shutil.copy(document, folder / "partner-center-devices.yaml")
    script = folder / "generate.sh"
    if not script.exists():
        return folder
    modules = work.parent / "npm" / "node_modules"
    if "npm" in script.read_text():
        (folder / "node_modules").symlink_to(modules)
    # What it installs is installed already, at the same versions: `check_versions` compares them.
    lines = [line for line in script.read_text().splitlines() if not re.match(r"(npm|pip) install [a-z@]", line)]
    run(["bash", "-euc", "\n".join(lines)], folder)
    return folder


def check_versions():
    """The versions in the scripts, which README shows, are those that are pinned."""
    pinned = json.loads((HERE / "package.json").read_text())["dependencies"]
    for line in (HERE / "requirements.txt").read_text().splitlines():
        if "==" in line:
            tool, version = line.split(";")[0].split("==")
            pinned[tool.strip()] = version.strip()
    for script in HERE.glob("*/generate.sh"):
        for tool, version in re.findall(r" (@?[\w/-]+)(?:@|==)([\d.]+)", script.read_text()):
            if pinned.get(tool) != version:
                sys.exit(f"{script.parent.name}/generate.sh has {tool} {version}, pinned is {pinned.get(tool)}")


def normal(value):
    """What means the same is made equal: absent, null and empty; 1000, "1000" and 1000.0; the year one."""
    if isinstance(value, dict):
        members = {name: normal(member) for name, member in value.items()}
        return {name: member for name, member in members.items() if member is not None}
    if isinstance(value, list):
        return [normal(item) for item in value] or None
    if value in ("", "0001-01-01T00:00:00"):
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(int(value))
    if isinstance(value, str) and re.fullmatch(r"\d+\.0", value):
        return value[:-2]
    return value


def cell(read, expected):
    """ok, LOSS or CRASH, and what is wrong."""
    if read is None:
        return "CRASH", "nothing was printed"
    worst, wrong = "ok", []
    for operation in ("upload", "batches"):
        found, wanted = read[operation], normal(expected.get(operation) or expected["both"])
        if found == "left out":
            return "–", "it sends no call without a token"
        if "crash" in found:
            return "CRASH", f"{operation}: {found['crash']}"
        found = normal(found)
        if found != wanted:
            differ = [name for name in {**wanted, **found} if wanted.get(name) != found.get(name)]
            worst = "LOSS"
            wrong.append(f"{operation}: " + ", ".join(f"{name} is {found.get(name)!r}" for name in sorted(differ)))
    return worst, "; ".join(wrong)


def check_sign_in(folder, base_url):
    """The two scripts that openapi/README.md shows, against the emulator's sign-in service."""
    variables = {"TENANT_ID": "contoso.onmicrosoft.com", "CLIENT_ID": "an-application", "CLIENT_SECRET": "any", "AUTHORITY": base_url}
    environment = {**os.environ, **{f"PARTNER_CENTER_{name}": value for name, value in variables.items()}}
    for script in ("app-only.sh", "device-code.sh"):
        token = run(["bash", script], folder, env=environment)
        if not token.startswith("emulator-access-token-"):
            sys.exit(f"{script} prints {token}")


def measure(name, folder, cases, upload, base_url):
    client = CLIENTS[name]
    for command in client["build"]:
        run(command, folder)
    if "quickstart" in client:
        shown = run(client["quickstart"], folder, env={**os.environ, "PARTNER_CENTER_URL": base_url})
        if not all(text in shown for text in ("inished", "808", "Ztd")) or name != "rust" and "Test batch" not in shown:
            sys.exit(f"the quickstart of {name} shows something else: {shown}")
    if name == "curl":
        check_sign_in(folder, base_url)
    lines = [f"{case} {one['customer']} {upload} {'any' if one.get('token', True) else '-'}" for case, one in cases.items()]
    outcome = subprocess.run(
        [*client["main"], base_url], cwd=folder, text=True, capture_output=True, timeout=300, input="\n".join(lines) + "\n"
    )
    printed = [json.loads(line) for line in outcome.stdout.splitlines() if line.startswith("{")]
    read = {line["case"]: line for line in printed}
    if outcome.returncode != 0:
        print(f"{name} ended with {outcome.returncode}: {outcome.stderr[-2000:]}", file=sys.stderr)
    return {case: cell(read.get(case), one) for case, one in cases.items()}


def check_generated_only(name, folder):
    """Each name that the program uses of the client is in the generated source."""
    generated = "\n".join(
        path.read_text(errors="replace")
        for path in (folder / "client").rglob("*")
        if path.is_file() and path.suffix in (".cs", ".kt", ".swift", ".ps1")
    )
    (program,) = folder.glob("quickstart.*")
    for used in re.findall(r"uses: (.*)", program.read_text()):
        for identifier in used.split():
            if not re.search(rf"(?<![\w-]){re.escape(identifier)}(?![\w-])", generated):
                sys.exit(f"{name}: the generated client has no {identifier}")


def table(results):
    cases = list(next(iter(results.values())))
    rows = ["| client | " + " | ".join(cases) + " |", "|---|" + "---|" * len(cases)]
    for name, cells in results.items():
        rows.append(f"| {CLIENTS[name]['title']} | " + " | ".join(cells[case][0] for case in cases) + " |")
    return "\n".join(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base-url", required=True, help="where the emulator listens")
    parser.add_argument("--work", type=Path, required=True, help="the folder for what is generated")
    parser.add_argument("--document", type=Path, default=ROOT / "openapi/partner-center-devices.yaml")
    parser.add_argument("--only", nargs="*", help="these clients alone")
    parser.add_argument("--table", type=Path, help="where to write the table")
    arguments = parser.parse_args()
    check_versions()
    known = json.loads((HERE / "known.json").read_text())
    file = json.loads((HERE / "cases.json").read_text())
    results, unexpected = {}, []
    for name in arguments.only or CLIENTS:
        folder = generate(name, arguments.work, arguments.document)
        results[name] = measure(name, folder, file["cases"], file["upload"], arguments.base_url)
        for case, (found, wrong) in results[name].items():
            wanted = known.get(name, {}).get(case, {}).get("cell", "ok")
            if found != wanted:
                unexpected.append(f"{name}, {case}: {found}, expected {wanted}: {wrong}")
            elif wrong:
                print(f"{name}, {case}: {found}: {wrong}", file=sys.stderr)
    if not arguments.only:
        for name in GENERATED_ONLY:
            check_generated_only(name, generate(name, arguments.work, arguments.document))
    shown = table(results)
    print(shown)
    cells = [found for one in results.values() for found, _ in one.values() if found != "–"]
    print(f"\n{len(results)} clients, {len(cells)} cells, {sum(found != 'ok' for found in cells)} not ok")
    if arguments.table:
        arguments.table.write_text(shown + "\n")
    if unexpected:
        sys.exit("\n".join(unexpected))


if __name__ == "__main__":
    main()
