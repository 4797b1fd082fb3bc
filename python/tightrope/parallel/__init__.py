# SPDX-License-Identifier: Apache-2.0
"""Work on other threads, processes and machines, through any `concurrent.futures.Executor`.

`workers` hands out tasks, `work` is what runs them, `contents` what they need. Nothing is decided here: a task that is
lost or fails is computed by the caller, and results are the same wherever they come from.
"""
