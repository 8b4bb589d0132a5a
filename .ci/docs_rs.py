"""Builds the docs of libraries as docs.rs does: `python3 .ci/docs_rs.py CRATE...`."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

# The docs are built for this machine, because the standard library of other targets may be missing.
IGNORED = {"targets"}

command = ["cargo", "metadata", "--format-version", "1", "--no-deps", "--locked"]
packages = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["packages"]
for crate in sys.argv[1:]:
    (package,) = (package for package in packages if package["name"] == crate)
    settings = ((package["metadata"] or {}).get("docs") or {}).get("rs")
    if settings is None:
        sys.exit(f"{crate}: the manifest has no [package.metadata.docs.rs]")
    settings = {name: value for name, value in settings.items() if name not in IGNORED}
    # All are built together, with the features of `just doc`, so that it has checked their dependencies.
    if settings != {"all-features": True}:
        sys.exit(f"{crate}: .ci/docs_rs.py builds the docs with all features, not with these settings: {settings}")

with tempfile.TemporaryDirectory() as folder:
    # docs.rs has the nightly compiler. The variable enables its features, in rustdoc only: build scripts read it too, and
    # would build all dependencies again.
    rustdoc = pathlib.Path(folder, "rustdoc")
    rustdoc.write_text('#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc "$@"\n')
    rustdoc.chmod(0o755)
    env = os.environ | {"RUSTDOC": str(rustdoc), "RUSTDOCFLAGS": "--cfg docsrs -D warnings"}
    command = ["cargo", "doc", "--locked", "--quiet", "--no-deps", "--workspace", "--lib", "--all-features"]
    subprocess.run(command, check=True, env=env)
print("built with all features:", ", ".join(sys.argv[1:]))
