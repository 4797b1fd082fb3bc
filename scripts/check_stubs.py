# SPDX-License-Identifier: Apache-2.0
"""Checks that python/tightrope/_core.pyi tells what the compiled module offers; `--write` brings it up to date."""

import argparse
import ast
import difflib
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STUB = ROOT / "python" / "tightrope" / "_core.pyi"
HEADER = "# SPDX-License-Identifier: Apache-2.0\n# Written by scripts/check_stubs.py; do not edit.\n"


def generated() -> str:
    """What the generator says of the module that this Python imports."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pybind11_stubgen", "tightrope._core", "--exit-code", "-o", "stubs"]
        subprocess.run(command, check=True, cwd=folder)
        return (Path(folder) / "stubs" / "tightrope" / "_core.pyi").read_text()


class Tidy(ast.NodeTransformer):
    """Leaves types only, in the form that strict type checkers accept."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) else node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom | None:
        return None if node.module == "__future__" else node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AnnAssign | None:
        name = ast.unparse(node.target)
        if name == "__version__":
            node.value = None  # it changes with each release
        return None if name == "__hash__" else node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        self.generic_visit(node)
        node.body = node.body or [ast.Expr(ast.Constant(...))]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.body = [ast.Expr(ast.Constant(...))]
        if node.name == "__eq__":
            node.args.args[1].annotation = ast.Name("object")
        return node


def tidied(stub: str) -> str:
    tree = ast.fix_missing_locations(Tidy().visit(ast.parse(stub)))
    text = HEADER + ast.unparse(tree) + "\n"
    for command in (["check", "--fix", "--exit-zero", "--select", "I"], ["format"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--quiet", "--stdin-filename", str(STUB), "-"]
        text = subprocess.run(ruff, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="bring the file up to date")
    arguments = parser.parse_args()
    found, needed = STUB.read_text() if STUB.exists() else "", tidied(generated())
    if arguments.write:
        STUB.write_text(needed)
    elif found != needed:
        sys.stdout.writelines(difflib.unified_diff(found.splitlines(True), needed.splitlines(True), "found", "needed"))
        print("stubs: they do not fit the compiled module; run scripts/check_stubs.py --write")
        return 1
    print("stubs: they fit the compiled module")
    return 0


if __name__ == "__main__":
    sys.exit(main())
