# SPDX-License-Identifier: Apache-2.0
"""Prints what pyproject.toml asks for: the build and run-time requirements ("build"), or one of the extras by name."""

import sys
import tomllib

with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)
wanted = sys.argv[1]
if wanted == "build":
    requirements = project["build-system"]["requires"] + project["project"]["dependencies"]
else:
    requirements = project["project"]["optional-dependencies"][wanted]
print(*(requirement.replace(" ", "") for requirement in requirements))
