# SPDX-License-Identifier: Apache-2.0
"""Messages reach the user once, by the level that holds, whenever logging was configured."""

import logging
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import openvino as ov
import pytest
import small_models

import tightrope
from tightrope import Dataset

START = "import logging, sys, warnings; sys.path.insert(0, sys.argv[1]); warnings.simplefilter('error', UserWarning)\n"
RUN = "tightrope.quantize(small_models.fragile(), tightrope.Dataset(small_models.vectors(4)), subset_size=5)\n"
IMPORT = "import small_models, tightrope\n"
QUANTIZED = "3 operations run in 8 bits"


def stderr_of(*lines: str) -> list[str]:
    code = START + "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
    done = subprocess.run(
        [sys.executable, "-c", code, str(Path(__file__).parent)], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    return [line for line in done.stderr.splitlines() if QUANTIZED in line]


def test_without_configuration_a_message_is_a_line_on_stderr() -> None:
    (line,) = stderr_of(IMPORT, RUN)
    assert line.startswith(f"INFO:tightrope:{QUANTIZED}")


@pytest.mark.parametrize("when", ["before the import", "after it", "after a run"])
@pytest.mark.parametrize("level", ["INFO", "WARNING"])
def test_an_application_that_configures_logging_decides(when: str, level: str) -> None:
    configure = f"logging.basicConfig(level='{level}', format='mine %(message)s')"
    code = {
        "before the import": [configure, IMPORT, RUN],
        "after it": [IMPORT, configure, RUN],
        "after a run": [IMPORT, "with tightrope.disable_logging(): " + RUN, "tightrope.nncf_logger", configure, RUN],
    }[when]
    lines = stderr_of(*code)
    assert [line.split(QUANTIZED)[0] for line in lines] == (["mine "] if level == "INFO" else [])


def test_a_later_configuration_replaces_our_handler_and_its_level() -> None:
    lines = stderr_of(IMPORT, RUN, "logging.basicConfig(format='mine %(message)s')", RUN)
    assert [line.split(QUANTIZED)[0] for line in lines] == ["INFO:tightrope:"], "basicConfig shows warnings only"


def test_a_handler_of_the_logger_itself_replaces_ours() -> None:
    lines = stderr_of(IMPORT, RUN, "tightrope.nncf_logger.addHandler(logging.NullHandler())", RUN)
    assert len(lines) == 1


def test_many_runs_do_not_add_handlers() -> None:
    assert len(stderr_of(IMPORT, RUN, RUN, RUN)) == 3


def test_a_level_that_was_set_holds_whatever_is_configured() -> None:
    quiet = "tightrope.set_log_level(logging.WARNING)"
    assert stderr_of(IMPORT, quiet, RUN) == []
    assert stderr_of(IMPORT, quiet, "logging.basicConfig(level='DEBUG')", RUN) == []
    loud = "tightrope.set_log_level(logging.INFO)"
    assert len(stderr_of(IMPORT, RUN, loud, "logging.basicConfig(level='WARNING')", RUN)) == 2


def test_a_log_file_gets_what_the_terminal_gets(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    add = f"from tightrope.common.logging.logger import set_log_file; set_log_file({str(path)!r})"
    assert len(stderr_of(IMPORT, add, RUN)) == 1
    assert path.read_text().count(QUANTIZED) == 1


def test_messages_of_runs_on_several_threads_are_all_there(caplog: pytest.LogCaptureFixture) -> None:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            tightrope.quantize(small_models.fragile(), Dataset(small_models.vectors(4)))
        except BaseException as error:
            failures.append(error)

    with caplog.at_level(logging.INFO, "tightrope"):
        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
    assert caplog.text.count(QUANTIZED) == 4


def test_a_handler_may_use_the_package_itself(fragile: ov.Model) -> None:
    class Curious(logging.Handler):
        seen = 0

        def emit(self, record: logging.LogRecord) -> Any:
            self.seen += 1
            tightrope.Dataset([1]).get_length()

    handler = Curious()
    tightrope.nncf_logger.addHandler(handler)
    level = tightrope.nncf_logger.level
    tightrope.set_log_level(logging.INFO)
    try:
        tightrope.quantize(fragile, Dataset(small_models.vectors(4)))
    finally:
        tightrope.nncf_logger.removeHandler(handler)
        tightrope.set_log_level(level)
    assert handler.seen > 0
