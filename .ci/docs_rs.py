"""Builds the docs of libraries as docs.rs does, with their own settings: `python3 .ci/docs_rs.py CRATE...`."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

# The settings that this script knows, and the options of `cargo doc` for them.
OPTIONS = {
    "all-features": lambda value: ["--all-features"] if value else [],
    "no-default-features": lambda value: ["--no-default-features"] if value else [],
    "features": lambda value: ["--features", ",".join(value)],
    "rustdoc-args": lambda value: [],
    # The docs are built for this machine, because the standard library of other targets may be missing.
    "targets": lambda value: [],
}

command = ["cargo", "metadata", "--format-version", "1", "--no-deps", "--locked"]
packages = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["packages"]
# Crates with the same settings are built together.
groups = {}
for crate in sys.argv[1:]:
    (package,) = (package for package in packages if package["name"] == crate)
    settings = ((package["metadata"] or {}).get("docs") or {}).get("rs")
    if settings is None:
        sys.exit(f"{crate}: the manifest has no [package.metadata.docs.rs]")
    unknown = sorted(settings.keys() - OPTIONS.keys())
    if unknown:
        sys.exit(f"{crate}: docs.rs has no such setting, or it is new in .ci/docs_rs.py: {unknown}")
    groups.setdefault(json.dumps(settings, sort_keys=True), []).append(crate)

with tempfile.TemporaryDirectory() as folder:
    # docs.rs has the nightly compiler. The variable enables its features, in rustdoc only: build scripts read it too, and
    # would build all dependencies again.
    rustdoc = pathlib.Path(folder, "rustdoc")
    rustdoc.write_text('#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc "$@"\n')
    rustdoc.chmod(0o755)
    for text, crates in groups.items():
        settings = json.loads(text)
        options = [word for key, value in settings.items() for word in OPTIONS[key](value)]
        options += [word for crate in crates for word in ("-p", crate)]
        flags = ["--cfg", "docsrs", "-D", "warnings", *settings.get("rustdoc-args", [])]
        env = os.environ | {"RUSTDOC": str(rustdoc), "RUSTDOCFLAGS": " ".join(flags)}
        subprocess.run(["cargo", "doc", "--locked", "--quiet", "--no-deps", "--lib", *options], check=True, env=env)
        print(f"{text}:", ", ".join(crates))
