"""Does everything of publishing crates except the upload, and checks what cargo does not: `python3 .ci/publish.py CRATE...`."""

import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tomllib

# The warnings that are expected. Packages have no tests and benches, and there is no public repository yet.
EXPECTED = [
    r"ignoring (test|benchmark) `\w+` as `[\w/.]+` is not included in the published package",
    r"manifest has no documentation, homepage or repository",
    r"aborting upload due to dry run",
    r"spurious network error.*",
]
FOLDER = pathlib.Path(os.environ["CARGO_TARGET_DIR"], "package")


def manifest(crate):
    """The manifest of the newest package of a crate, as cargo has rewritten it."""
    package = max(FOLDER.rglob(f"{crate}-[0-9]*.crate"), key=lambda path: path.stat().st_mtime)
    with tarfile.open(package) as files:
        return tomllib.loads(files.extractfile(f"{package.stem}/Cargo.toml").read().decode())


def dependencies(part):
    """The names of the dependencies of all kinds, also those of single targets."""
    for kind in ("dependencies", "dev-dependencies", "build-dependencies"):
        yield from part.get(kind, {})
    for target in part.get("target", {}).values():
        yield from dependencies(target)


crates = sys.argv[1:]
command = ["cargo", "publish", "--dry-run", "--no-verify", "--locked", "--allow-dirty", "--color", "never"]
run = subprocess.run(command + [word for crate in crates for word in ("-p", crate)], stderr=subprocess.PIPE, text=True)
if run.returncode != 0:
    sys.exit(run.stderr)

wrong = []
for warning in re.findall(r"^warning: (.*)", run.stderr, re.M):
    if not any(re.fullmatch(expected, warning) for expected in EXPECTED):
        wrong.append(f"cargo warns: {warning}")

order = re.findall(r"^ *Uploading ([\w-]+) v", run.stderr, re.M)
if sorted(order) != sorted(crates):
    wrong.append(f"cargo would upload {order}, not {crates}")
for place, crate in enumerate(order):
    package = manifest(crate)
    # The registry refuses a dependency that it does not have. This also holds for dev-dependencies with a version.
    for name in dependencies(package):
        if name in crates and name not in order[:place]:
            wrong.append(f"{crate} depends on {name}, which is published later")
    package = package["package"]
    for key in ("repository", "homepage"):
        if key in package:
            wrong.append(f"{crate}: `{key}` is set, but the project has no public address yet")
    # Limits of crates.io, which only an upload reports.
    keywords = package["keywords"]
    if len(keywords) > 5 or len(package["categories"]) > 5 or any(len(keyword) > 20 for keyword in keywords):
        wrong.append(f"{crate}: crates.io allows five categories and five keywords of 20 characters")

print("would publish:", ", ".join(order))
sys.exit("\n".join(wrong) or None)
