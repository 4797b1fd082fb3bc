# SPDX-License-Identifier: Apache-2.0
"""What docs/command-line.md says about the program is so; its examples are run by tests/docs."""

import re

from program import ROOT, run

PAGE = (ROOT / "docs" / "command-line.md").read_text()


def test_every_option_and_metric_that_the_page_names_is_there() -> None:
    help_text = run("-h").stdout
    for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)):
        assert option in help_text or option in ("--json", "--config"), option
    for name in re.findall(r"`(top1|top5|f1\w*|map|miou|psnr|ssim|mse|wer|cer|pearson|spearman|cosine|sqnr)`", PAGE):
        assert name in help_text


def test_every_exit_code_of_the_page_is_in_the_help() -> None:
    help_text = " ".join(run("-h").stdout.split())
    codes = re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)
    assert codes == ["0", "1", "2", "3", "4", "5", "6", "130"]
    listed = help_text[help_text.index("Exit codes") :]
    assert all(f" {code} " in listed for code in codes)
